// Back-off after failed exchanges: each time twice as long, up to half a minute, with jitter, so that
// not all sessions ask again at once when AuthKit returns. An issuer that is away concerns every
// session; an odd answer about one grant concerns that session alone.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const LONGEST_ASKED_MS = 300_000;
const MOST_SESSIONS = 1_000;

export interface Pause {
  /** Milliseconds until AuthKit may be asked again for this session, undefined when it may be now. */
  remaining(key: string): number | undefined;
  /**
   * AuthKit is away, for everybody. Returns in how many seconds the next attempt may happen:
   * `atLeastSeconds` if that is what it asked for (Retry-After).
   */
  beginForAll(atLeastSeconds: number): number;
  /** AuthKit answered, but not in a way that helps this session; seconds as above. */
  beginFor(key: string): number;
  /** A success: AuthKit is back for everybody, and this session is well. */
  over(key: string): void;
}

interface BackOff {
  failures: number;
  until: number;
}

/** All in the memory of this process: each instance finds out for itself. */
export function createPause(): Pause {
  let all: BackOff = { failures: 0, until: 0 };
  const sessions = new Map<string, BackOff>();

  return {
    remaining(key) {
      const ms = Math.max(all.until, sessions.get(key)?.until ?? 0) - Date.now();
      return ms > 0 ? ms : undefined;
    },
    beginForAll(atLeastSeconds) {
      all = extended(all, atLeastSeconds);
      return secondsUntil(all);
    },
    beginFor(key) {
      const own = extended(sessions.get(key) ?? { failures: 0, until: 0 }, 0);
      if (sessions.size >= MOST_SESSIONS) sessions.clear();
      sessions.set(key, own);
      return secondsUntil(own);
    },
    over(key) {
      all = { failures: 0, until: 0 };
      sessions.delete(key);
    },
  };
}

function extended({ failures, until }: BackOff, atLeastSeconds: number): BackOff {
  // Requests that were on their way together fail together: that is one failure, not many.
  if (Date.now() < until) return { failures, until };
  const own = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  const ms = Math.max(own, Math.min(LONGEST_ASKED_MS, atLeastSeconds * 1000));
  return { failures: failures + 1, until: Date.now() + ms };
}

const secondsUntil = ({ until }: BackOff) => Math.ceil((until - Date.now()) / 1000);
