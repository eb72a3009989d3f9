// A token response, as what is kept of it: the token set, and the few facts that every request needs.
// Both are sealed and kept as one versioned record beside the session data, so that a slow request
// cannot write old tokens back.
import { decodeJwt, type JWTPayload } from 'jose';
import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client';

export type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers;

/** What a page never needs and a browser never sees. */
export interface TokenSet {
  accessToken: string;
  refreshToken?: string | undefined;
  /** Kept for `id_token_hint` at an advertised end_session endpoint. */
  idToken?: string | undefined;
}

/** Facts about the token set, opened on each request. Times are milliseconds since the epoch. */
export interface TokenFacts {
  scope: string[];
  obtainedAt: number;
  /** When the access token expires. */
  expiresAt: number;
  /** False without `offline_access`: the session then lives on, but gets no fresh token. */
  renewable: boolean;
  /** The organization that the access token is bound to. */
  orgId?: string | undefined;
}

/** What one token response brought. */
export interface Tokens {
  tokens: TokenSet;
  facts: TokenFacts;
}

const ASSUMED_LIFETIME_MS = 300_000;
const LONGEST_LIFETIME_MS = 31_536_000_000;
const REFRESH_BEFORE_MS = 60_000;
const LEAST_LIFETIME_MS = 5_000;

/**
 * The claims of a token that came from the token endpoint over TLS, addressed to us. They are decoded,
 * not verified: that is the API's part (src/bearer). An opaque token has none.
 */
function claimsOf(token: unknown): JWTPayload {
  try {
    return decodeJwt(text(token) ?? '');
  } catch {
    return {};
  }
}

/**
 * Whether an access token is about this person, as far as it can be told: its organization decides what
 * they may see. One that names another issuer has that one's subjects. OpenID Connect Core §12.2 asks the
 * same of a refreshed ID token.
 */
type Identity = { issuer: string; sub: string };
export function isAbout(user: Identity, accessToken: string): boolean {
  const { sub, iss } = claimsOf(accessToken);
  return sub === undefined || sub === user.sub || (iss !== undefined && iss !== user.issuer);
}

/** The members of a token response that are kept, whatever their types are. */
export type ResponseBody = { [name in keyof TokenEndpointResponse]?: unknown };

/**
 * Splits a token response into what is kept. A refresh response without `refresh_token` or `id_token`
 * keeps the previous ones (RFC 6749 §6, OpenID Connect Core §12.2), and so does one whose access token
 * cannot be used. An ID token has done its work once it was checked; it is kept only as the hint for an
 * end_session endpoint.
 */
export function toTokens(
  response: ResponseBody,
  issuer: string,
  requestedScope: string,
  previous?: Tokens,
  keepIdToken = previous?.tokens.idToken !== undefined,
): Tokens {
  const isUsable = isBearer(response) && text(response.access_token) !== undefined;
  const accessToken = (isUsable && text(response.access_token)) || previous?.tokens.accessToken;
  const refreshToken = text(response.refresh_token) ?? previous?.tokens.refreshToken;
  const idToken = text(response.id_token) ?? previous?.tokens.idToken;
  const claims = claimsOf(accessToken);
  const now = Date.now();
  // RFC 6749 §5.1, §6: without `scope`, what was asked for, or granted before, was granted.
  const scope = text(response.scope) ?? text(claims['scope']);
  const granted = scope?.split(' ').filter(Boolean) ?? previous?.facts.scope;
  const lifetime = lifetimeMs(response, claims) ?? ASSUMED_LIFETIME_MS;
  return {
    tokens: { accessToken: accessToken ?? '', refreshToken, ...(keepIdToken && { idToken }) },
    facts: {
      scope: granted ?? requestedScope.split(' ').filter(Boolean),
      obtainedAt: now,
      expiresAt: isUsable || !previous ? now + lifetime : previous.facts.expiresAt,
      renewable: refreshToken !== undefined,
      // Of another issuer it is an organization there.
      orgId: claims.iss === issuer ? text(claims['org_id']) : undefined,
    },
  };
}

/** Without `token_type`: as before. Of another type it cannot be sent as a Bearer token (RFC 6749 §7.1). */
export const isBearer = ({ token_type: type = 'Bearer' }: ResponseBody) =>
  typeof type !== 'string' || type === '' || type.toLowerCase() === 'bearer';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const text = (value: unknown) => (isText(value) ? value : undefined);

/** Undefined where neither the response nor the token says a time that a token can live. */
function lifetimeMs({ expires_in: said }: ResponseBody, claims: JWTPayload): number | undefined {
  // Both by the issuer's clock, so that ours does not matter.
  const ofTheToken = Number(claims.exp) - Number(claims.iat);
  const seconds = typeof said === 'number' || typeof said === 'string' ? Number(said) : Number.NaN;
  const ms = 1000 * (seconds >= 0 ? seconds : ofTheToken);
  // A number beyond what a date can hold would break every page that shows it, and a life of no time
  // would cost a refresh for each page.
  return ms >= 0 ? Math.min(Math.max(ms, LEAST_LIFETIME_MS), LONGEST_LIFETIME_MS) : undefined;
}

/** Whether a body of status 200 brings any token at all. */
export function isTokenResponse(body: unknown): body is ResponseBody {
  if (typeof body !== 'object' || body === null) return false;
  const { access_token: accessToken, refresh_token: refreshToken }: ResponseBody = body;
  return isText(refreshToken) || isText(accessToken);
}

/**
 * Whether a refresh response is about this person, for this application: its access token, and its ID token
 * if there is one that can be read (OpenID Connect Core §12.2). Signature and times of that are not checked:
 * it grants nothing, and TLS vouches for where it came from.
 */
export function isAboutSame(user: Identity, clientId: string, body: ResponseBody, token: string) {
  const { iss = user.issuer, sub = user.sub, aud = clientId } = claimsOf(body.id_token);
  const isSame = iss === user.issuer && sub === user.sub && [aud].flat().includes(clientId);
  return isSame && isAbout(user, token);
}

/**
 * The members that are not as RFC 6749 §5.1 has them, separated by spaces; `id_token` where the library
 * complained of something and all others are right.
 */
export function oddMembers(body: ResponseBody, isComplaint: boolean): string {
  const { scope, expires_in: lifetime, access_token: accessToken, refresh_token: refresh } = body;
  const odd = [
    !isText(accessToken) && 'access_token',
    (!isBearer(body) || !isText(body.token_type)) && 'token_type',
    lifetime !== undefined && !(Number(lifetime) > 0) && 'expires_in',
    scope !== undefined && !isText(scope) && 'scope',
    refresh !== undefined && !isText(refresh) && 'refresh_token',
  ].filter((name) => name !== false);
  return odd.length === 0 && isComplaint ? 'id_token' : odd.join(' ');
}

/**
 * When the access token is to be renewed: 60 s, or a fifth of a shorter life, before its end; some
 * seconds after the last refresh where that brought none that can be used.
 */
export function renewsAt({ expiresAt, obtainedAt }: TokenFacts): number {
  const before = Math.min(REFRESH_BEFORE_MS, (expiresAt - obtainedAt) / 5);
  return Math.max(expiresAt - before, obtainedAt + LEAST_LIFETIME_MS);
}

/** Whether it is time to renew the access token, and possible. */
export const isDue = (facts: TokenFacts) => facts.renewable && Date.now() >= renewsAt(facts);

/** Whether the access token has expired, by our clock. */
export const isExpired = (facts: TokenFacts) => Date.now() >= facts.expiresAt;
