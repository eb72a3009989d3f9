// Back-off towards an issuer that fails: after each failure twice as long, up to half a minute, with
// jitter, so that the sessions of this process do not all ask again at once when it returns.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const LONGEST_ASKED_MS = 300_000;

export interface Pause {
  /** Milliseconds until the issuer may be asked again, undefined when it may be now. */
  remaining(): number | undefined;
  /**
   * A failure; returns in how many seconds the next attempt may happen, `atLeastSeconds` if that is
   * what the issuer asked for.
   */
  begin(atLeastSeconds?: number): number;
  /** A success. */
  over(): void;
}

export function createPause(): Pause {
  let failures = 0;
  let until = 0;
  return {
    remaining() {
      const ms = until - Date.now();
      return ms > 0 ? ms : undefined;
    },
    begin(atLeastSeconds = 0) {
      // Requests that were on their way together fail together: that is one failure, not many.
      if (Date.now() < until) return Math.ceil((until - Date.now()) / 1000);
      const own = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      const ms = Math.max(own, Math.min(LONGEST_ASKED_MS, atLeastSeconds * 1000));
      until = Date.now() + ms;
      return Math.ceil(ms / 1000);
    },
    over() {
      failures = 0;
      until = 0;
    },
  };
}
