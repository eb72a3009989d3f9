// The last step of a sign-in: from the token response to who signed in.
// Replace or extend `User` with what your pages show; hook your own database in at `onSignIn`.
import { fetchUserInfo, type Configuration, type IDToken } from 'openid-client';
import { SignInError } from '../errors.ts';
import type { SignInEventListener } from '../events.ts';
import { CLOCK_TOLERANCE_S, type Discovered } from '../issuer.ts';
import { toSignInError } from '../openid-errors.ts';
import { isBearer, isAbout, toTokens } from '../tokens/token-set.ts';
import type { TokenResponse, Tokens } from '../tokens/token-set.ts';

/**
 * A signed-in person. The identity is `issuer` and `sub` together, never the e-mail address: that
 * can change hands (OpenID Connect Core §5.7).
 */
export interface User {
  issuer: string;
  sub: string;
  name?: string;
  email?: string;
  emailVerified?: boolean;
  /** The organization the person chose, from the access token; absent without one. */
  orgId?: string;
}

/** What a signed-in session keeps beside its token record. Times are milliseconds since the epoch. */
export interface SignedIn {
  /** Without `orgId`: that follows the access token. */
  user: User;
  /** A session belongs to one application: nobody stays signed in after a move to another. */
  clientId: string;
  /** The verified claims of the ID token, apart from those in `user`. */
  claims: Record<string, unknown>;
  startedAt: number;
  endsAt: number;
}

/** A sign-in that passed every check. */
export interface CompletedSignIn extends Tokens {
  user: User;
  claims: IDToken;
}

// A response to an attempt cannot be older than an attempt may get.
const OLDEST_S = 600;
const LONGEST_SUB = 255;
const LONGEST_TEXT = 256;

/** What the request was made with, and the log. */
type Asked = { clientId: string; scope: string; onEvent: SignInEventListener };

/**
 * Checks a token response, of which openid-client has checked all but what is here, and takes from it who
 * signed in.
 * @throws SignInError `id_token_invalid`, `issuer_unreachable`, `clock_skew`, `response_invalid` or `user_mismatch`
 */
export async function completeSignIn(asked: Asked, issuer: Discovered, response: TokenResponse) {
  const claims = response.claims();
  const { id_token: idToken } = response;
  if (!claims || idToken === undefined)
    throw new SignInError('id_token_invalid', { hint: 'The response has none.' });
  await issuer.keys.verify(idToken);
  checkIdToken(claims, asked.clientId);
  // A token of another type cannot be sent as a Bearer token (RFC 6749 §7.1).
  if (!isBearer(response))
    throw new SignInError('response_invalid', { hint: 'Not a Bearer token.' });
  const { config } = issuer;
  const hasEndSession = config.serverMetadata().end_session_endpoint !== undefined;
  const { tokens, facts } = toTokens(response, claims.iss, asked.scope, undefined, hasEndSession);
  const user: User = await userFromClaims(asked, config, claims, tokens.accessToken);
  if (!isAbout(user, tokens.accessToken)) throw new SignInError('user_mismatch');
  if (facts.orgId !== undefined) user.orgId = facts.orgId;
  return { user, claims, tokens, facts } satisfies CompletedSignIn;
}

/**
 * What openid-client leaves open of the claims.
 * @throws SignInError `id_token_invalid` or `clock_skew`
 */
function checkIdToken({ aud, azp, iat, sub }: IDToken, clientId: string): void {
  // Numbers 3 to 5: a token that another application may use as well was not made for us.
  if ([aud].flat().some((name) => name !== clientId)) throw invalid('It has other audiences too.');
  if (azp !== undefined && azp !== clientId) throw invalid('Its azp names another application.');
  // §2: `sub` has at most 255 characters; an empty one would make one person of all who have it.
  if (sub.trim() === '' || sub.length > LONGEST_SUB) throw invalid('Its sub is empty or too long.');
  // Number 10: neither from the future nor from before the sign-in.
  const age = Date.now() / 1000 - iat;
  if (age < -CLOCK_TOLERANCE_S || age > OLDEST_S + CLOCK_TOLERANCE_S)
    throw new SignInError('clock_skew');
}

/** With the reason, for the log. */
const invalid = (hint: string) => new SignInError('id_token_invalid', { hint });

function text(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  // Between characters as people see them: half of one is a broken page, or another character.
  const cut = new Intl.Segmenter().segment(value).containing(LONGEST_TEXT);
  return value.slice(0, cut?.index);
}

/** The same names in the ID token and at UserInfo. */
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
 * A name or e-mail address that was asked for but is missing in the ID token is fetched from UserInfo,
 * whose `sub` must be the same (OpenID Connect Core §5.3.2). An unreachable UserInfo endpoint costs
 * the name, not the sign-in.
 */
async function userFromClaims(asked: Asked, config: Configuration, claims: IDToken, token: string) {
  const scopes = asked.scope.split(' ');
  const identity = { issuer: claims.iss, sub: claims.sub };
  const profile = profileOf(claims);
  const isComplete =
    (profile.name !== undefined || !scopes.includes('profile')) &&
    (profile.email !== undefined || !scopes.includes('email'));
  if (isComplete || !config.serverMetadata().userinfo_endpoint) return { ...identity, ...profile };

  try {
    const userInfo = await fetchUserInfo(config, token, claims.sub);
    return { ...identity, ...profileOf(userInfo), ...profile };
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') {
      throw new SignInError('user_mismatch', { cause });
    }
    const error = toSignInError(cause);
    asked.onEvent({ event: 'user_info_failed', sub: claims.sub, code: error.code }, error);
    return { ...identity, ...profile };
  }
}
