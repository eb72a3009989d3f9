// Back-off after failed refreshes: each time twice as long, up to half a minute, with jitter, so that
// not all sessions ask again at once when AuthKit returns. What fails for one session is that session's;
// once it fails for several, or the connection itself does, AuthKit is away for everybody.
import { LRUCache } from 'lru-cache';

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const LONGEST_ASKED_MS = 300_000;
const MOST_SESSIONS = 1_000;

interface Wait {
  failures: number;
  /** By the monotonic clock: a wall clock that is set does not stop refreshes, or let them go on. */
  until: number;
}

const NONE: Wait = { failures: 0, until: 0 };

/** All in the memory of this process: each instance finds out for itself. */
export class Backoff {
  #all = NONE;
  readonly #sessions = new LRUCache<string, Wait>({ max: MOST_SESSIONS });
  /** The people for whom AuthKit was away since it last served anybody: one alone may be the reason. */
  readonly #met = new Set<string>();

  /** Seconds until AuthKit may be asked again for this session, undefined when it may be now. */
  remaining(key: string): number | undefined {
    const until = Math.max(this.#all.until, this.#sessions.get(key)?.until ?? 0);
    const ms = until - performance.now();
    return ms > 0 ? Math.ceil(ms / 1000) : undefined;
  }

  /**
   * AuthKit was away for this session; for everybody where the connection itself failed. Returns in how
   * many seconds the next attempt may happen: `atLeastSeconds` if that is what it asked for (Retry-After).
   */
  beginAway(key: string, sub: string, isConnection: boolean, atLeastSeconds: number): number {
    if (this.#met.size < MOST_SESSIONS) this.#met.add(sub);
    if (!isConnection && this.#met.size < 2) return this.#begin(key, atLeastSeconds);
    this.#all = extended(this.#all, atLeastSeconds);
    return secondsUntil(this.#all);
  }

  /** AuthKit refused this session, which says nothing about others; seconds as above. */
  beginRefused(key: string): number {
    return this.#begin(key, 0);
  }

  /** A success: AuthKit is back for everybody, and this session is well. */
  reset(key: string): void {
    this.#all = NONE;
    this.#met.clear();
    this.#sessions.delete(key);
  }

  #begin(key: string, atLeastSeconds: number): number {
    const own = extended(this.#sessions.get(key) ?? NONE, atLeastSeconds);
    this.#sessions.set(key, own);
    return secondsUntil(own);
  }
}

function extended({ failures, until }: Wait, atLeastSeconds: number): Wait {
  const now = performance.now();
  // Requests that were on their way together fail together: that is one failure, not many.
  if (now < until) return { failures, until };
  const own = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  const ms = Math.max(own, Math.min(LONGEST_ASKED_MS, atLeastSeconds * 1000));
  return { failures: failures + 1, until: now + ms };
}

const secondsUntil = ({ until }: Wait) => Math.ceil((until - performance.now()) / 1000);
