// One exchange of a session's refresh token, by whoever holds the lease: ask AuthKit, then save what
// came, or judge what went wrong. RFC 6749 §6; OpenID Connect Core §12.
import { refreshTokenGrant } from 'openid-client';
import type { RelyingParty } from './relying-party.ts';
import { SignInError, type SignInErrorCode } from './errors.ts';
import type { SessionEnd, SignInEventListener } from './events.ts';
import type { SignedIn } from './express.ts';
import { secondsToWait, toSignInError } from './failure.ts';
import type { Pause } from './pause.ts';
import type { SessionRecords } from './records.ts';
import { revokeRefreshToken } from './revocation.ts';
import { sessionKey } from './session-cookie.ts';
import { storeFailure, type HeldTokens, type SealedSessionStore } from './session-store.ts';
import { isOfUser, keepTokens, type Grant, type TokenSet } from './tokens.ts';
import { createUnsavedTokens, type RenewedTokens } from './unsaved-tokens.ts';

/** The grant as it is now; why the session goes on without a new one; or that it is over. */
export type Outcome = { grant: Grant } | { failed: SignInError } | 'ended';

/** @throws SignInError `store_unavailable` */
export type Exchange = (sid: string, signedIn: SignedIn) => Promise<Outcome>;

interface Parts {
  relyingParty: RelyingParty;
  store: SealedSessionStore;
  records: SessionRecords;
  /** Begins with each failure that does not end the session. */
  pause: Pause;
  requested: { scope: string; resource?: string };
  onEvent: SignInEventListener;
}

/**
 * The only answers that say the session is over; with any other it goes on. RFC 6749 §5.2
 * invalid_grant: expired, revoked or already exchanged. The others: an ID token or an access token
 * of somebody else, or for another application.
 */
const ENDS_THE_SESSION: { [code in SignInErrorCode]?: SessionEnd } = {
  exchange_refused: 'grant_ended',
  id_token_invalid: 'identity_changed',
  user_mismatch: 'identity_changed',
};

/** Failures that would meet every other session as well. */
const CONCERNS_ALL = new Set<SignInErrorCode>([
  'issuer_unreachable',
  'issuer_timeout',
  'client_refused',
]);

export function createExchange(parts: Parts): Exchange {
  const { relyingParty, store, records, pause, requested, onEvent } = parts;
  const unsaved = createUnsavedTokens(store);

  /** The one request to AuthKit. */
  async function renew(sid: string, { tokens }: HeldTokens, signedIn: SignedIn) {
    const { afterwards: config } = await relyingParty.config();
    const { scope, resource } = requested;
    // Without `resource` here as well, AuthKit falls back to the default audience (RFC 8707 §2.2).
    const parameters = resource !== undefined ? { resource } : undefined;
    const response = await refreshTokenGrant(config, tokens.refreshToken ?? '', parameters);
    pause.over(sessionKey(sid));
    const next = keepTokens(response, scope, tokens);
    const isSame =
      isOfUser(signedIn.user, next.tokens.accessToken) &&
      (response.claims()?.sub ?? signedIn.user.sub) === signedIn.user.sub;
    if (isSame) return next;
    void giveBack(next.tokens);
    throw new SignInError('user_mismatch');
  }

  async function save(sid: string, held: HeldTokens, sub: string, next: RenewedTokens) {
    const { version } = held;
    let isSaved: boolean;
    try {
      isSaved = await store.replaceTokens(sid, version, next.grant, next.tokens);
    } catch (cause) {
      unsaved.keep(sid, version, next);
      throw cause;
    }
    if (isSaved) {
      tellOrganizationChange(sub, held.grant.orgId, next.grant.orgId);
      onEvent({ event: 'tokens_refreshed', sub, version: version + 1 });
      return { grant: next.grant };
    }
    const outcome = (await overtakenBy(sid, version)) ?? 'ended';
    // Signed out while AuthKit answered: the new refresh token belongs to nobody. Only then, since
    // revoking it takes its whole chain along, also what a faster instance just saved.
    if (outcome === 'ended') void giveBack(next.tokens);
    return outcome;
  }

  /** What happened to the session since its tokens had this version; undefined: nothing. */
  async function overtakenBy(sid: string, version: number): Promise<Outcome | undefined> {
    const now = await store.readTokens(sid);
    if (!now) return 'ended';
    return now.version > version ? { grant: now.grant } : undefined;
  }

  async function giveBack(tokens: TokenSet): Promise<void> {
    const discovered = await relyingParty.config().catch(() => undefined);
    if (discovered) await revokeRefreshToken(discovered.afterwards, tokens, onEvent);
  }

  async function failed(sid: string, version: number, sub: string, error: SignInError) {
    const { code } = error;
    const reason = ENDS_THE_SESSION[code];
    if (!reason) {
      const retryInSeconds = CONCERNS_ALL.has(code)
        ? pause.beginForAll(secondsToWait(error))
        : pause.beginFor(sessionKey(sid));
      onEvent({ event: 'refresh_failed', sub, code, retryInSeconds }, error);
      if (code === 'client_refused') onEvent({ event: 'client_refused', code });
      return { failed: error };
    }
    // A refusal may be the other side of a sign-out, or of a faster instance's success.
    const overtaken = await overtakenBy(sid, version);
    if (overtaken) return overtaken;
    onEvent({ event: 'refresh_failed', sub, code }, error);
    await records.remove(sessionKey(sid)).catch(storeFailure);
    onEvent({ event: 'session_ended', sub, reason });
    return 'ended';
  }

  function tellOrganizationChange(sub: string, from?: string, to?: string): void {
    if (from === to) return;
    const change = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    onEvent({ event: 'organization_changed', sub, ...change });
  }

  return async (sid, signedIn) => {
    const held = await store.readTokens(sid);
    if (held?.tokens.refreshToken === undefined) return 'ended';
    let next: RenewedTokens;
    try {
      next = unsaved.take(sid, held.version) ?? (await renew(sid, held, signedIn));
    } catch (cause) {
      return failed(sid, held.version, signedIn.user.sub, toSignInError(cause));
    }
    return save(sid, held, signedIn.user.sub, next);
  };
}
