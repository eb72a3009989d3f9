// The access token, renewed before it expires: one exchange per session, however many requests,
// processes and machines see it due. A refresh token works once (rotation, RFC 9700 §2.2.2); a second
// exchange with it may cost the whole session.
// In order: refreshIfDue -> exchangeOnce (one per process) -> withLease (one for all) -> exchange.ts.
import type { Request } from 'express';
import { SignInError } from './errors.ts';
import type { Exchange, Outcome } from './exchange.ts';
import type { SignedIn } from './express.ts';
import { toSignInError } from './failure.ts';
import { refreshLease, withLease } from './lease.ts';
import type { Pause } from './pause.ts';
import type { SessionRecords } from './records.ts';
import { recognizeAs } from './session.ts';
import type { SealedSessionStore, StoredSession } from './session-store.ts';
import { isDue } from './tokens.ts';

export interface Refresher {
  /**
   * Renews the session's token set if it is due. Resolves to 'fresh'; to 'ended' when the session
   * is over; to the SignInError when AuthKit, or the store, could not be asked. Never rejects.
   */
  refreshIfDue(req: Request): Promise<'fresh' | 'ended' | SignInError>;
}

/** Joins the requests of this process; `exchange` runs for one of all processes. */
export function createRefresher(
  exchange: Exchange,
  pause: Pause,
  store: SealedSessionStore,
  records: SessionRecords,
): Refresher {
  const inFlight = new Map<string, Promise<Outcome>>();

  /** All requests of this process that see the same session due share one exchange. */
  function exchangeOnce(
    { sid, key, version }: StoredSession,
    signedIn: Readonly<SignedIn>,
  ): Promise<Outcome> {
    const running = inFlight.get(key);
    if (running) return running;
    const settled = async (): Promise<Outcome | undefined> => {
      // The store, not this request's copy: whoever held the lease before may have renewed it.
      const held = await store.readTokens(sid);
      if (!held) return 'ended';
      return held.version > version || !isDue(held.grant) ? { grant: held.grant } : undefined;
    };
    const outcome = withLease(records, refreshLease(key), settled, () => exchange(sid, signedIn))
      .catch((cause: unknown) => ({ failed: toSignInError(cause) }))
      .finally(() => inFlight.delete(key));
    inFlight.set(key, outcome);
    return outcome;
  }

  return {
    async refreshIfDue(req) {
      const { storedSession: stored, grant } = req;
      if (!stored?.signedIn || !grant || !isDue(grant)) return 'fresh';
      const paused = pause.remaining(stored.key);
      if (paused !== undefined) {
        return new SignInError('issuer_unreachable', { retryAfter: Math.ceil(paused / 1000) });
      }
      const outcome = await exchangeOnce(stored, stored.signedIn);
      if (outcome === 'ended') return 'ended';
      if ('failed' in outcome) return outcome.failed;
      recognizeAs(req, stored.signedIn, outcome.grant);
      return 'fresh';
    },
  };
}
