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

/**
 * The claims of an access token that came from the token endpoint over TLS, addressed to us. They are
 * decoded, not verified: that is the API's part (src/bearer). An opaque token has none.
 */
function accessTokenClaims(accessToken: string): JWTPayload {
  try {
    return decodeJwt(accessToken);
  } catch {
    return {};
  }
}

/**
 * Whether an access token is about this person, as far as it can be read: its organization decides
 * what they may see. OpenID Connect Core §12.2 asks the same of a refreshed ID token.
 */
export function isAbout(user: { issuer: string; sub: string }, accessToken: string): boolean {
  const { sub, iss } = accessTokenClaims(accessToken);
  return (sub === undefined || sub === user.sub) && (iss === undefined || iss === user.issuer);
}

/**
 * Splits a token response into what is kept. A refresh response without `refresh_token` or `id_token`
 * keeps the previous ones (RFC 6749 §6, OpenID Connect Core §12.2). An ID token has done its work once
 * it was checked; it is kept only as the hint for an end_session endpoint.
 */
export function toTokens(
  response: TokenEndpointResponse,
  requestedScope: string,
  previous?: TokenSet,
  keepIdToken = previous?.idToken !== undefined,
): Tokens {
  const refreshToken = response.refresh_token ?? previous?.refreshToken;
  const idToken = keepIdToken ? (response.id_token ?? previous?.idToken) : undefined;
  const claims = accessTokenClaims(response.access_token);
  const now = Date.now();
  const orgId = claims['org_id'];
  const scope = response.scope ?? claims['scope'];
  return {
    tokens: { accessToken: response.access_token, refreshToken, idToken },
    facts: {
      // RFC 6749 §5.1: without `scope`, what was asked for was granted.
      scope: (typeof scope === 'string' ? scope : requestedScope).split(' ').filter(Boolean),
      obtainedAt: now,
      expiresAt: now + (lifetimeMs(response, claims) ?? ASSUMED_LIFETIME_MS),
      renewable: refreshToken !== undefined,
      orgId: typeof orgId === 'string' && orgId !== '' ? orgId : undefined,
    },
  };
}

function lifetimeMs(response: TokenEndpointResponse, claims: JWTPayload): number | undefined {
  // Both by the issuer's clock, so that ours does not matter.
  const ofTheToken = Number(claims.exp) - Number(claims.iat);
  const ms = (response.expires_in ?? ofTheToken) * 1000;
  // A number beyond what a date can hold would break every page that shows it.
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_LIFETIME_MS) : undefined;
}

/** When the access token is to be renewed: 60 s, or a fifth of a shorter life, before its end. */
export function renewsAt({ expiresAt, obtainedAt }: TokenFacts): number {
  return expiresAt - Math.min(REFRESH_BEFORE_MS, (expiresAt - obtainedAt) / 5);
}

/** Whether it is time to renew the access token, and possible. */
export const isDue = (facts: TokenFacts) => facts.renewable && Date.now() >= renewsAt(facts);

/** Whether the access token has expired, by our clock. */
export const isExpired = (facts: TokenFacts) => Date.now() >= facts.expiresAt;
