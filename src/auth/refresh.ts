// The access token, renewed before it expires: one exchange per session, however many requests,
// processes and machines see it due. A refresh token works once (rotation, RFC 9700 §2.2.2); a second
// exchange with it may cost the whole session.
// In order: refreshIfDue -> exchangeOnce (one per process) -> withLease (one for all) -> exchange.
import type { Request } from 'express';
import { refreshTokenGrant } from 'openid-client';
import type { RelyingParty } from './client.ts';
import { SignInError } from './errors.ts';
import type { SessionEnd, SignInEventListener } from './events.ts';
import type { SignedIn } from './express.ts';
import { toSignInError } from './failure.ts';
import { withLease } from './lease.ts';
import type { SessionRecords } from './records.ts';
import { createPause } from './pause.ts';
import { revokeRefreshToken } from './revocation.ts';
import { recognizeAs } from './session.ts';
import {
  sessionKey,
  storeFailure,
  type HeldTokens,
  type SealedSessionStore,
} from './session-store.ts';
import { accessTokenClaims, isDue, keepTokens, type Grant } from './tokens.ts';

type Outcome = { grant: Grant } | { failed: SignInError } | 'ended';

export interface RefreshOptions {
  scope: string;
  resource?: string;
}

export interface Refresher {
  /**
   * Renews the session's token set if it is due. Resolves to 'fresh'; to 'ended' when the session
   * is over; to the SignInError when AuthKit could not be asked and the session simply goes on.
   */
  refreshIfDue(req: Request): Promise<'fresh' | 'ended' | SignInError>;
}

export function createRefresher(
  relyingParty: RelyingParty,
  store: SealedSessionStore,
  records: SessionRecords,
  options: RefreshOptions,
  onEvent: SignInEventListener,
): Refresher {
  const inFlight = new Map<string, Promise<Outcome>>();
  const pause = createPause();

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
    const work = () => exchange(sid, signedIn);
    const outcome = withLease(records, `refresh:${key}`, settled, work)
      .catch((cause: unknown) => ({ failed: toSignInError(cause) }))
      .finally(() => inFlight.delete(key));
    inFlight.set(key, outcome);
    return outcome;
  }

  async function exchange(sid: string, signedIn: SignedIn): Promise<Outcome> {
    const held = await store.readTokens(sid);
    if (held?.tokens.refreshToken === undefined) return 'ended';
    const { sub } = signedIn.user;
    try {
      const { afterwards: config } = await relyingParty.config();
      const resource = options.resource !== undefined ? { resource: options.resource } : undefined;
      const response = await refreshTokenGrant(config, held.tokens.refreshToken, resource);
      pause.over();
      const next = keepTokens(response, options.scope, held.tokens);
      if (!isSameIdentity(signedIn, response.claims()?.sub, next.tokens.accessToken)) {
        return await end(sid, sub, 'identity_changed');
      }
      if (await store.replaceTokens(sid, held.version, next.grant, next.tokens)) {
        tellOrganizationChange(sub, held, next.grant);
        onEvent({ event: 'tokens_refreshed', sub, version: held.version + 1 });
        return { grant: next.grant };
      }
      // Signed out while AuthKit answered: the new refresh token belongs to nobody.
      await revokeRefreshToken(config, next.tokens, onEvent);
      return 'ended';
    } catch (cause) {
      return failed(sid, sub, toSignInError(cause));
    }
  }

  async function failed(sid: string, sub: string, error: SignInError): Promise<Outcome> {
    // RFC 6749 §5.2 invalid_grant: expired, revoked or already exchanged. An ID token from elsewhere
    // or for another application ends the session as well. Nothing else says the grant is over.
    if (error.code === 'exchange_refused' || error.code === 'id_token_invalid') {
      onEvent({ event: 'refresh_failed', sub, code: error.code }, error);
      return end(sid, sub, error.code === 'exchange_refused' ? 'grant_ended' : 'identity_changed');
    }
    const retryInSeconds = pause.begin();
    onEvent({ event: 'refresh_failed', sub, code: error.code, retryInSeconds }, error);
    if (error.code === 'client_refused') onEvent({ event: 'client_refused', code: error.code });
    return { failed: error };
  }

  async function end(sid: string, sub: string, reason: SessionEnd): Promise<'ended'> {
    await records.remove(sessionKey(sid)).catch(storeFailure);
    onEvent({ event: 'session_ended', sub, reason });
    return 'ended';
  }

  function tellOrganizationChange(sub: string, held: HeldTokens, { orgId: to }: Grant): void {
    const from = held.grant.orgId;
    if (from === to) return;
    const change = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    onEvent({ event: 'organization_changed', sub, ...change });
  }

  return {
    async refreshIfDue(req) {
      const { signedIn } = req.session;
      const grant = req.grant;
      if (!signedIn || !grant || !isDue(grant)) return 'fresh';
      const paused = pause.remaining();
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

/** OpenID Connect Core §12.2: a refreshed token set is for the same person. */
function isSameIdentity({ user }: SignedIn, idTokenSub: string | undefined, accessToken: string) {
  const { sub, iss } = accessTokenClaims(accessToken);
  return (
    (idTokenSub === undefined || idTokenSub === user.sub) &&
    (sub === undefined || sub === user.sub) &&
    (iss === undefined || iss === user.issuer)
  );
}
