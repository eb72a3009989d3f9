// Back-off after failed refreshes: each time twice as long, up to half a minute, with jitter, so that
// not all sessions ask again at once when AuthKit returns. An issuer that is away concerns every
// session; an odd response about one grant concerns that session alone.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const LONGEST_ASKED_MS = 300_000;
const MOST_SESSIONS = 1_000;

interface Wait {
  failures: number;
  until: number;
}

const NONE: Wait = { failures: 0, until: 0 };

/** All in the memory of this process: each instance finds out for itself. */
export class Backoff {
  #all = NONE;
  readonly #sessions = new Map<string, Wait>();

  /** Seconds until AuthKit may be asked again for this session, undefined when it may be now. */
  remaining(key: string): number | undefined {
    const ms = Math.max(this.#all.until, this.#sessions.get(key)?.until ?? 0) - Date.now();
    return ms > 0 ? Math.ceil(ms / 1000) : undefined;
  }

  /**
   * AuthKit is away, for everybody. Returns in how many seconds the next attempt may happen:
   * `atLeastSeconds` if that is what it asked for (Retry-After).
   */
  beginForAll(atLeastSeconds: number): number {
    this.#all = extended(this.#all, atLeastSeconds);
    return secondsUntil(this.#all);
  }

  /** AuthKit answered, but not in a way that helps this session; seconds as above. */
  beginFor(key: string): number {
    const own = extended(this.#sessions.get(key) ?? NONE, 0);
    if (this.#sessions.size >= MOST_SESSIONS) this.#sessions.clear();
    this.#sessions.set(key, own);
    return secondsUntil(own);
  }

  /** A success: AuthKit is back for everybody, and this session is well. */
  reset(key: string): void {
    this.#all = NONE;
    this.#sessions.delete(key);
  }
}

function extended({ failures, until }: Wait, atLeastSeconds: number): Wait {
  // Requests that were on their way together fail together: that is one failure, not many.
  if (Date.now() < until) return { failures, until };
  const own = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  const ms = Math.max(own, Math.min(LONGEST_ASKED_MS, atLeastSeconds * 1000));
  return { failures: failures + 1, until: Date.now() + ms };
}

const secondsUntil = ({ until }: Wait) => Math.ceil((until - Date.now()) / 1000);
