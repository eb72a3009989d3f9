// Back-off after failed refreshes: each wait is twice as long, up to half a minute, with jitter so
// that sessions do not all retry at once when AuthKit returns. A failure delays only its own
// session. Once refreshes fail for several users, or the connection itself fails, all wait.
import { LRUCache } from 'lru-cache';

const FIRST_MS = 1_000;
const MAX_MS = 30_000;
const MAX_RETRY_AFTER_MS = 300_000;
const MAX_SESSIONS = 1_000;

interface Wait {
  failures: number;
  /** By the monotonic clock: setting the wall clock neither stops refreshes nor releases them. */
  until: number;
}

const NONE: Wait = { failures: 0, until: 0 };

/** Kept in the memory of this process: each instance backs off on its own. */
export class Backoff {
  #shared = NONE;
  readonly #sessions = new LRUCache<string, Wait>({ max: MAX_SESSIONS });
  /** The users affected since AuthKit last served any: a single one may be the cause. */
  readonly #affectedUsers = new Set<string>();

  /** Seconds until AuthKit may be asked again for this session; undefined if it may be now. */
  remaining(key: string): number | undefined {
    const until = Math.max(this.#shared.until, this.#sessions.get(key)?.until ?? 0);
    const ms = until - performance.now();
    return ms > 0 ? Math.ceil(ms / 1000) : undefined;
  }

  /**
   * Delays this session, or all sessions if the connection itself failed or several users are
   * affected. Returns the seconds until the next attempt: at least `atLeastSeconds`, which AuthKit
   * asked for (Retry-After), up to five minutes.
   */
  onOutage(key: string, sub: string, isConnection: boolean, atLeastSeconds: number): number {
    if (this.#affectedUsers.size < MAX_SESSIONS) this.#affectedUsers.add(sub);
    if (!isConnection && this.#affectedUsers.size < 2)
      return this.delaySession(key, atLeastSeconds);
    this.#shared = nextWait(this.#shared, atLeastSeconds);
    return secondsUntil(this.#shared);
  }

  /** Delays this session only: a refusal says nothing about others. Returns seconds as well. */
  delaySession(key: string, atLeastSeconds = 0): number {
    const own = nextWait(this.#sessions.get(key) ?? NONE, atLeastSeconds);
    this.#sessions.set(key, own);
    return secondsUntil(own);
  }

  /** After a successful refresh: AuthKit is back, for this session and for all others. */
  reset(key: string): void {
    this.#shared = NONE;
    this.#affectedUsers.clear();
    this.#sessions.delete(key);
  }
}

function nextWait({ failures, until }: Wait, atLeastSeconds: number): Wait {
  const now = performance.now();
  // Concurrent requests fail together, which counts as one failure.
  if (now < until) return { failures, until };
  const own = Math.min(MAX_MS, FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  const ms = Math.max(own, Math.min(MAX_RETRY_AFTER_MS, atLeastSeconds * 1000));
  return { failures: failures + 1, until: now + ms };
}

const secondsUntil = ({ until }: Wait) => Math.ceil((until - performance.now()) / 1000);
