// The last step of a sign-in: from the token response to the user.
// Replace or extend `User` with what your pages show; connect your own database with `onSignIn`.
import { fetchUserInfo, type IDToken } from 'openid-client';
import { SignInError } from '../errors.ts';
import type { SignInEventListener } from '../events.ts';
import { CLOCK_TOLERANCE_S, type Discovered } from '../issuer.ts';
import { toSignInError } from '../openid-errors.ts';
import { isBearer, isAbout, toTokens } from '../tokens/token-set.ts';
import type { TokenResponse, Tokens } from '../tokens/token-set.ts';

/**
 * A signed-in user, identified by `issuer` and `sub` together, never by the e-mail address: that
 * can change hands (OpenID Connect Core §5.7).
 */
export interface User {
  issuer: string;
  sub: string;
  name?: string;
  email?: string;
  emailVerified?: boolean;
  /** The organization that the user chose, from the access token; absent without one. */
  orgId?: string;
}

/** What a session stores beside its token record. Times are milliseconds since the epoch. */
export interface SignedIn {
  /** Without `orgId`, which follows the access token. */
  user: User;
  /** The session's application: after a change of client ID, users must sign in again. */
  clientId: string;
  /** The verified claims of the ID token, except those in `user`. */
  claims: Record<string, unknown>;
  startedAt: number;
  endsAt: number;
}

/** A sign-in that passed every check. */
export interface CompletedSignIn extends Tokens {
  user: User;
  claims: IDToken;
}

// The lifetime of a sign-in attempt: the ID token in its response cannot be older.
const MAX_AGE_S = 600;
const MAX_SUB = 255;
const MAX_TEXT = 256;

/** This client: its id, the scope it requested, whether it always asks UserInfo, and its log. */
type Client = {
  clientId: string;
  scope: string;
  alwaysFetchUserInfo: boolean;
  onEvent: SignInEventListener;
};

/**
 * Performs the checks on a token response that openid-client leaves out, and returns who signed in.
 * @throws SignInError `id_token_invalid`, `issuer_unreachable`, `clock_skew`, `response_invalid` or
 * `user_mismatch`
 */
export async function completeSignIn(client: Client, issuer: Discovered, response: TokenResponse) {
  const claims = response.claims();
  const { id_token: idToken } = response;
  if (!claims || idToken === undefined)
    throw new SignInError('id_token_invalid', { hint: 'The response has no ID token.' });
  await issuer.keys.verify(idToken);
  checkIdToken(claims, client.clientId);
  // A token of another type cannot be sent as a Bearer token (RFC 6749 §7.1).
  if (!isBearer(response))
    throw new SignInError('response_invalid', { hint: 'Not a Bearer token.' });
  const hasEndSession = issuer.metadata.end_session_endpoint !== undefined;
  const { tokens, facts } = toTokens(response, claims.iss, client.scope, undefined, hasEndSession);
  const user: User = await userFrom(client, issuer, claims, tokens.accessToken);
  if (!isAbout(user, tokens.accessToken)) throw new SignInError('user_mismatch');
  if (facts.orgId !== undefined) user.orgId = facts.orgId;
  return { user, claims, tokens, facts } satisfies CompletedSignIn;
}

/**
 * The checks of OpenID Connect Core §3.1.3.7, by their numbers there, that openid-client leaves out.
 * `aud` names the applications that the token is for, `azp` the one that requested it.
 * @throws SignInError `id_token_invalid` or `clock_skew`
 */
function checkIdToken({ aud, azp, iat, sub }: IDToken, clientId: string): void {
  // Numbers 3 to 5: a token that another application may use as well was not issued for us.
  if ([aud].flat().some((name) => name !== clientId)) throw invalid('It has other audiences too.');
  if (azp !== undefined && azp !== clientId) throw invalid('Its azp names another application.');
  // §2: `sub` has at most 255 characters; everyone with an empty one would be the same user.
  if (sub.trim() === '' || sub.length > MAX_SUB) throw invalid('Its sub is empty or too long.');
  // Number 10: `iat` is not in the future and at most ten minutes old.
  const age = Date.now() / 1000 - iat;
  if (age < -CLOCK_TOLERANCE_S || age > MAX_AGE_S + CLOCK_TOLERANCE_S)
    throw new SignInError('clock_skew');
}

/** `hint` is the reason, for the log. */
const invalid = (hint: string) => new SignInError('id_token_invalid', { hint });

function text(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  // Nearly all are short, and creating a segmenter is slow.
  if (value.length <= MAX_TEXT) return value;
  // Cut between graphemes: half of one would show as a broken or different character.
  const cut = new Intl.Segmenter().segment(value).containing(MAX_TEXT);
  return value.slice(0, cut?.index);
}

/** The claims have the same names in the ID token and at UserInfo. */
function profileOf(claims: Readonly<Record<string, unknown>>) {
  const parts = [text(claims['given_name']), text(claims['family_name'])].filter(Boolean);
  const name = text(claims['name']) ?? text(parts.join(' '));
  const email = text(claims['email']);
  const emailVerified = claims['email_verified'] === true;
  return {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email, emailVerified }),
  };
}

/**
 * If a requested name or e-mail address is missing from the ID token, or always if you say so,
 * fetches it from UserInfo, whose `sub` must be the same (OpenID Connect Core §5.3.2). Claims of the
 * ID token, which is signed, win. If UserInfo cannot be reached, the user signs in without it.
 */
async function userFrom(client: Client, issuer: Discovered, claims: IDToken, token: string) {
  const { config, metadata } = issuer;
  const scopes = client.scope.split(' ');
  const identity = { issuer: claims.iss, sub: claims.sub };
  const profile = profileOf(claims);
  const isAsked =
    client.alwaysFetchUserInfo ||
    (profile.name === undefined && scopes.includes('profile')) ||
    (profile.email === undefined && scopes.includes('email'));
  if (!isAsked || !metadata.userinfo_endpoint) return { ...identity, ...profile };

  try {
    const userInfo = await fetchUserInfo(config, token, claims.sub);
    return { ...identity, ...profileOf(userInfo), ...profile };
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') {
      throw new SignInError('user_mismatch', { cause });
    }
    const error = toSignInError(cause);
    client.onEvent({ event: 'user_info_failed', sub: claims.sub, code: error.code }, error);
    return { ...identity, ...profile };
  }
}
