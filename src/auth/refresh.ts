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
import { sessionKey, type SealedSessionStore } from './session-store.ts';
import { isDue } from './tokens.ts';

export interface Refresher {
  /**
   * Renews the session's token set if it is due. Resolves to 'fresh'; to 'ended' when the session
   * is over; to the SignInError when AuthKit could not be asked and the session simply goes on.
   */
  refreshIfDue(req: Request): Promise<'fresh' | 'ended' | SignInError>;
}

export function createRefresher(
  exchange: Exchange,
  pause: Pause,
  store: SealedSessionStore,
  records: SessionRecords,
): Refresher {
  const inFlight = new Map<string, Promise<Outcome>>();

  /** All requests of this process that see the same session due share one exchange. */
  function exchangeOnce(sid: string, version: number, signedIn: SignedIn): Promise<Outcome> {
    const key = sessionKey(sid);
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
      const { signedIn } = req.session;
      const grant = req.grant;
      if (!signedIn || !grant || !isDue(grant)) return 'fresh';
      const paused = pause.remaining(sessionKey(req.session.id));
      if (paused !== undefined) {
        return new SignInError('issuer_unreachable', { retryAfter: Math.ceil(paused / 1000) });
      }
      const version = store.versionOf(req.session);
      const outcome = await exchangeOnce(req.session.id, version, signedIn);
      if (outcome === 'ended') return 'ended';
      if ('failed' in outcome) return outcome.failed;
      recognizeAs(req, signedIn, outcome.grant);
      return 'fresh';
    },
  };
}
