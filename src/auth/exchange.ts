// One exchange of a session's refresh token, by whoever holds the lease: ask AuthKit, then save what
// came, or judge what went wrong. RFC 6749 §6; OpenID Connect Core §12.
import { refreshTokenGrant } from 'openid-client';
import { SignInError, type SignInErrorCode } from './errors.ts';
import type { SessionEnd, SignInEventListener } from './events.ts';
import type { SignedIn } from './express.ts';
import { secondsToWait, storeFailure, toSignInError } from './failure.ts';
import type { Pause } from './pause.ts';
import type { SessionRecords } from './records.ts';
import type { RelyingParty } from './relying-party.ts';
import { revokeRefreshToken } from './revocation.ts';
import { sessionKey } from './session-cookie.ts';
import type { SealedSessionStore } from './session-store.ts';
import type { HeldTokens } from './token-record.ts';
import { isOfUser, keepTokens, type Grant, type TokenSet } from './tokens.ts';
import { createUnsavedTokens, type RenewedTokens, type UnsavedTokens } from './unsaved-tokens.ts';

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

/** The session whose tokens are exchanged, with the tokens as the store held them. */
interface Due {
  sid: string;
  signedIn: SignedIn;
  held: HeldTokens;
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

/** The exchange for a session whose lease the caller holds. */
export function createExchange(parts: Parts): Exchange {
  const unsaved = createUnsavedTokens(parts.store);
  return async (sid, signedIn) => {
    const held = await parts.store.readTokens(sid);
    if (held?.tokens.refreshToken === undefined) return 'ended';
    const due = { sid, signedIn, held };
    let next: RenewedTokens;
    try {
      next = unsaved.take(sid, held.version) ?? (await renew(parts, due, held.tokens.refreshToken));
    } catch (cause) {
      return failed(parts, due, toSignInError(cause));
    }
    return save(parts, due, next, unsaved);
  };
}

/** The one request to AuthKit. */
async function renew(parts: Parts, { sid, signedIn, held }: Due, refreshToken: string) {
  const { relyingParty, pause, requested } = parts;
  const { afterwards: config } = await relyingParty.config();
  const { scope, resource } = requested;
  // Without `resource` here as well, AuthKit falls back to the default audience (RFC 8707 §2.2).
  const parameters = resource !== undefined ? { resource } : undefined;
  const response = await refreshTokenGrant(config, refreshToken, parameters);
  pause.over(sessionKey(sid));
  const next = keepTokens(response, scope, held.tokens);
  const isSame =
    isOfUser(signedIn.user, next.tokens.accessToken) &&
    (response.claims()?.sub ?? signedIn.user.sub) === signedIn.user.sub;
  if (isSame) return next;
  void giveBack(parts, next.tokens);
  throw new SignInError('user_mismatch');
}

/** Compare-and-set: a sign-out wins, and so does an instance that was faster. */
async function save(
  parts: Parts,
  due: Due,
  next: RenewedTokens,
  unsaved: UnsavedTokens,
): Promise<Outcome> {
  const { sid, signedIn, held } = due;
  const { sub } = signedIn.user;
  let isSaved: boolean;
  try {
    isSaved = await parts.store.replaceTokens(sid, held.version, next.grant, next.tokens);
  } catch (cause) {
    unsaved.keep(sid, held.version, next);
    throw cause;
  }
  if (isSaved) {
    tellOrganizationChange(parts, sub, held.grant.orgId, next.grant.orgId);
    parts.onEvent({ event: 'tokens_refreshed', sub, version: held.version + 1 });
    return { grant: next.grant };
  }
  const outcome = (await overtaken(parts, due)) ?? 'ended';
  // Signed out while AuthKit answered: the new refresh token belongs to nobody. Only then, since
  // revoking it takes its whole chain along, also what a faster instance just saved.
  if (outcome === 'ended') void giveBack(parts, next.tokens);
  return outcome;
}

async function failed(parts: Parts, due: Due, error: SignInError): Promise<Outcome> {
  const { records, pause, onEvent } = parts;
  const { sid, signedIn } = due;
  const { sub } = signedIn.user;
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
  const outcome = await overtaken(parts, due);
  if (outcome) return outcome;
  onEvent({ event: 'refresh_failed', sub, code }, error);
  await records.remove(sessionKey(sid)).catch(storeFailure);
  onEvent({ event: 'session_ended', sub, reason });
  return 'ended';
}

/** What happened to the session since its tokens were read; undefined: nothing. */
async function overtaken({ store }: Parts, { sid, held }: Due): Promise<Outcome | undefined> {
  const now = await store.readTokens(sid);
  if (!now) return 'ended';
  return now.version > held.version ? { grant: now.grant } : undefined;
}

async function giveBack({ relyingParty, onEvent }: Parts, tokens: TokenSet): Promise<void> {
  const discovered = await relyingParty.config().catch(() => undefined);
  if (discovered) await revokeRefreshToken(discovered.afterwards, tokens, onEvent);
}

function tellOrganizationChange({ onEvent }: Parts, sub: string, from?: string, to?: string): void {
  if (from === to) return;
  const change = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  onEvent({ event: 'organization_changed', sub, ...change });
}
