// What is kept of a token response: the token set, and the few facts that every request needs. Both
// are sealed and stored as one versioned record beside the session data, so that a slow request
// cannot overwrite new tokens with old ones.
import { decodeJwt, type JWTPayload } from 'jose';
import type { TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client';

export type TokenResponse = TokenEndpointResponse & TokenEndpointResponseHelpers;

/** Never needed by a page, never seen by a browser. */
export interface TokenSet {
  accessToken: string;
  refreshToken?: string | undefined;
  /** Kept for `id_token_hint`, if an end_session endpoint is advertised. */
  idToken?: string | undefined;
}

/** Facts about the token set, opened on each request. Times are milliseconds since the epoch. */
export interface TokenFacts {
  scope: string[];
  /** The user's permissions, from a JWT template; absent without one. */
  permissions?: string[] | undefined;
  obtainedAt: number;
  /** When the access token expires. */
  expiresAt: number;
  /** Whether there is a refresh token; without `offline_access` there is none. */
  renewable: boolean;
  /** The organization that the access token is bound to. */
  orgId?: string | undefined;
}

/** The token set of one token response, and the facts about it. */
export interface Tokens {
  tokens: TokenSet;
  facts: TokenFacts;
}

const ASSUMED_LIFETIME_MS = 300_000;
const MAX_LIFETIME_MS = 31_536_000_000;
const REFRESH_BEFORE_MS = 60_000;
const MIN_LIFETIME_MS = 5_000;

/**
 * The claims of a token that the token endpoint sent to us over TLS. They are decoded, not
 * verified: verifying an access token is up to the API (src/bearer). An opaque token has none.
 */
function claimsOf(token: unknown): JWTPayload {
  try {
    return decodeJwt(text(token) ?? '');
  } catch {
    return {};
  }
}

type Identity = { issuer: string; sub: string };

/**
 * Whether an access token is about this user, because its organization decides what they may see.
 * True if it has no subject, or one of another issuer, which cannot be compared. OpenID Connect
 * Core §12.2 requires the same of a refreshed ID token.
 */
export function isAbout(user: Identity, accessToken: string): boolean {
  const { sub, iss } = claimsOf(accessToken);
  return sub === undefined || sub === user.sub || (iss !== undefined && iss !== user.issuer);
}

/** The members of a token response, their types not yet checked. */
export type ResponseBody = { [name in keyof TokenEndpointResponse]?: unknown };

/**
 * Takes from a token response what is kept. If a refresh response lacks a usable token of one kind,
 * the previous one is kept (RFC 6749 §6, OpenID Connect Core §12.2). Once an ID token has been checked, it is kept only as the hint for an
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
  // Without `scope` in the response: that of the access token, a JWT at AuthKit; else the scope
  // granted before, or the requested one (RFC 6749 §5.1, §6).
  const scope = text(response.scope) ?? text(claims['scope']);
  const granted = scope?.split(' ').filter(Boolean) ?? previous?.facts.scope;
  const lifetime = lifetimeMs(response, claims) ?? ASSUMED_LIFETIME_MS;
  // A token of another issuer would name an organization and permissions of that issuer.
  const own = claims.iss === issuer ? claims : {};
  return {
    tokens: { accessToken: accessToken ?? '', refreshToken, ...(keepIdToken && { idToken }) },
    facts: {
      scope: granted ?? requestedScope.split(' ').filter(Boolean),
      obtainedAt: now,
      expiresAt: isUsable || !previous ? now + lifetime : previous.facts.expiresAt,
      renewable: refreshToken !== undefined,
      orgId: text(own['org_id']),
      permissions: texts(own['permissions']),
    },
  };
}

/** A missing `token_type` counts as Bearer. No other type can be used (RFC 6749 §7.1). */
export const isBearer = ({ token_type: type = 'Bearer' }: ResponseBody) =>
  typeof type !== 'string' || type === '' || type.toLowerCase() === 'bearer';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const text = (value: unknown) => (isText(value) ? value : undefined);
const texts = (value: unknown) => (Array.isArray(value) ? value.filter(isText) : undefined);

/** Undefined if neither the response nor the token states a valid lifetime. */
function lifetimeMs({ expires_in: raw }: ResponseBody, claims: JWTPayload): number | undefined {
  // Both are by the issuer's clock, so ours does not matter.
  const tokenLifetime = Number(claims.exp) - Number(claims.iat);
  const seconds = typeof raw === 'number' || typeof raw === 'string' ? Number(raw) : Number.NaN;
  const ms = 1000 * (seconds >= 0 ? seconds : tokenLifetime);
  // A lifetime beyond the range of Date would break every page that shows it, and a lifetime of
  // zero would cause a refresh for every page.
  return ms >= 0 ? Math.min(Math.max(ms, MIN_LIFETIME_MS), MAX_LIFETIME_MS) : undefined;
}

/** Whether the body of a successful response contains a token. */
export function isTokenResponse(body: unknown): body is ResponseBody {
  if (typeof body !== 'object' || body === null) return false;
  const { access_token: accessToken, refresh_token: refreshToken }: ResponseBody = body;
  return isText(refreshToken) || isText(accessToken);
}

/**
 * Whether a refresh response is about this user and for this application: its access token, and its
 * ID token if it can be read (OpenID Connect Core §12.2). The ID token's signature and times are
 * not checked: it grants nothing, and TLS authenticates the sender.
 */
export function isForSameUser(user: Identity, clientId: string, body: ResponseBody, token: string) {
  const { iss = user.issuer, sub = user.sub, aud = clientId } = claimsOf(body.id_token);
  const isSame = iss === user.issuer && sub === user.sub && [aud].flat().includes(clientId);
  return isSame && isAbout(user, token);
}

/**
 * The members that violate RFC 6749 §5.1, separated by spaces; `id_token` if the library reported
 * an error and all others are valid.
 */
export function malformedMembers(body: ResponseBody, hasLibraryError: boolean): string {
  const { scope, expires_in: lifetime, access_token: accessToken, refresh_token: refresh } = body;
  const malformed = [
    !isText(accessToken) && 'access_token',
    (!isBearer(body) || !isText(body.token_type)) && 'token_type',
    lifetime !== undefined && !(Number(lifetime) > 0) && 'expires_in',
    scope !== undefined && !isText(scope) && 'scope',
    refresh !== undefined && !isText(refresh) && 'refresh_token',
  ].filter((name) => name !== false);
  return malformed.length === 0 && hasLibraryError ? 'id_token' : malformed.join(' ');
}

/**
 * When to refresh the access token: 60 s before it expires, or a fifth of its lifetime if that is
 * less, but at least five seconds after the last refresh.
 */
export function renewsAt({ expiresAt, obtainedAt }: TokenFacts): number {
  const before = Math.min(REFRESH_BEFORE_MS, (expiresAt - obtainedAt) / 5);
  return Math.max(expiresAt - before, obtainedAt + MIN_LIFETIME_MS);
}

/** Whether it is time to refresh the access token, and possible. `recheckAt`: see `isOutdated`. */
export const isDue = (facts: TokenFacts, recheckAt: number) =>
  facts.renewable && (Date.now() >= renewsAt(facts) || isOutdated(facts, recheckAt));

/** Whether there was news about the user since these tokens were obtained. */
export const isOutdated = ({ obtainedAt }: TokenFacts, recheckAt: number) =>
  recheckAt >= obtainedAt;

/** Whether the access token has expired, by our clock. */
export const isExpired = (facts: TokenFacts) => Date.now() >= facts.expiresAt;
