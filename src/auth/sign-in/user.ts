// The last step of a sign-in: from the token response to who signed in.
// Replace or extend `User` with what your pages show; hook your own database in at `onSignIn`.
import { fetchUserInfo, type Configuration, type IDToken } from 'openid-client';
import { SignInError } from '../errors.ts';
import { CLOCK_TOLERANCE_S } from '../issuer.ts';
import { isAbout, toTokens, type TokenResponse, type Tokens } from '../tokens/token-set.ts';

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

/**
 * Checks a token response whose ID token has a valid signature, issuer, expiry and nonce, and takes
 * from it who signed in.
 * @throws SignInError `id_token_invalid`, `clock_skew` or `user_mismatch`
 */
export async function completeSignIn(
  config: Configuration,
  response: TokenResponse,
  scope: string,
): Promise<CompletedSignIn> {
  const claims = response.claims();
  if (!claims) throw new SignInError('id_token_invalid');
  checkIdToken(claims, config.clientMetadata().client_id);
  const hasEndSession = config.serverMetadata().end_session_endpoint !== undefined;
  const { tokens, facts } = toTokens(response, scope, undefined, hasEndSession);
  const user = await userFromClaims(config, claims, tokens.accessToken, scope);
  if (!isAbout(user, tokens.accessToken)) throw new SignInError('user_mismatch');
  if (facts.orgId !== undefined) user.orgId = facts.orgId;
  return { user, claims, tokens, facts };
}

/** What OpenID Connect Core §3.1.3.7 asks of an ID token and the library leaves open. */
function checkIdToken({ aud, azp, iat, sub }: IDToken, clientId: string): void {
  // Numbers 3 to 5: a token that another application may use as well was not made for us.
  const isOurs =
    [aud].flat().every((audience) => audience === clientId) &&
    (azp === undefined || azp === clientId);
  // §2: `sub` has at most 255 characters; an empty one would make one person of all who have it.
  if (!isOurs || sub.trim() === '' || sub.length > LONGEST_SUB) {
    throw new SignInError('id_token_invalid');
  }
  // Number 10: neither from the future nor from before the sign-in.
  const age = Date.now() / 1000 - iat;
  if (age < -CLOCK_TOLERANCE_S || age > OLDEST_S + CLOCK_TOLERANCE_S) {
    throw new SignInError('clock_skew');
  }
}

function text(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  if (value.length <= LONGEST_TEXT) return value;
  // Between characters as people see them: half of one is a broken page, or another character.
  const characters = [...new Intl.Segmenter().segment(value.slice(0, LONGEST_TEXT))];
  return characters
    .slice(0, -1)
    .map(({ segment }) => segment)
    .join('');
}

/** The same names in the ID token and at UserInfo. */
function profileOf(claims: Readonly<Record<string, unknown>>) {
  const fullName = [text(claims['given_name']), text(claims['family_name'])]
    .filter(Boolean)
    .join(' ');
  const name = text(claims['name']) ?? text(fullName);
  const email = text(claims['email']);
  return {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(email !== undefined && { emailVerified: claims['email_verified'] === true }),
  };
}

/**
 * A name or e-mail address that was asked for but is missing in the ID token is fetched from UserInfo,
 * whose `sub` must be the same (OpenID Connect Core §5.3.2). An unreachable UserInfo endpoint costs
 * the name, not the sign-in.
 */
async function userFromClaims(
  config: Configuration,
  claims: IDToken,
  accessToken: string,
  scope: string,
): Promise<User> {
  const identity = { issuer: claims.iss, sub: claims.sub };
  const profile = profileOf(claims);
  const asked = scope.split(' ');
  const isComplete =
    (profile.name !== undefined || !asked.includes('profile')) &&
    (profile.email !== undefined || !asked.includes('email'));
  if (isComplete || !config.serverMetadata().userinfo_endpoint) return { ...identity, ...profile };

  try {
    const userInfo = await fetchUserInfo(config, accessToken, claims.sub);
    return { ...identity, ...profileOf(userInfo), ...profile };
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') {
      throw new SignInError('user_mismatch', { cause });
    }
    return { ...identity, ...profile };
  }
}
