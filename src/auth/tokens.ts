// The token set of a session, and the few facts of it that every request needs. Both are sealed and
// kept as one versioned record beside the session data, so that no slow request writes old ones back.
import { decodeJwt, type JWTPayload } from 'jose';
import type { TokenEndpointResponse } from 'openid-client';

/** What a page never needs and a browser never sees. */
export interface TokenSet {
  accessToken: string;
  refreshToken?: string;
  /** Kept for `id_token_hint` at an advertised end_session endpoint. */
  idToken?: string;
}

/** Facts of the token set, opened on each request. Times are milliseconds since the epoch. */
export interface Grant {
  scope: string[];
  obtainedAt: number;
  /** When the access token expires. */
  expiresAt: number;
  /** False without `offline_access`: the session then lives on, but gets no fresh token. */
  renewable: boolean;
  orgId?: string;
}

const ASSUMED_LIFETIME_MS = 300_000;
const LONGEST_LIFETIME_MS = 31_536_000_000;
const REFRESH_BEFORE_MS = 60_000;

/**
 * The claims of an access token as it came from the token endpoint, over TLS and addressed to us.
 * They are read, not verified: an API verifies (src/bearer). An opaque token has none.
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
export function isOfUser(user: { issuer: string; sub: string }, accessToken: string): boolean {
  const { sub, iss } = accessTokenClaims(accessToken);
  return (sub === undefined || sub === user.sub) && (iss === undefined || iss === user.issuer);
}

/**
 * Splits a token response into what is kept. A refresh response without `refresh_token` or
 * `id_token` keeps the previous ones (RFC 6749 §6, OpenID Connect Core §12.2). The ID token has done
 * its work by then; it is kept only for an end_session endpoint, as its hint.
 */
export function keepTokens(
  response: TokenEndpointResponse,
  requestedScope: string,
  previous?: TokenSet,
  keepIdToken = previous?.idToken !== undefined,
): { tokens: TokenSet; grant: Grant } {
  const refreshToken = response.refresh_token ?? previous?.refreshToken;
  const idToken = keepIdToken ? (response.id_token ?? previous?.idToken) : undefined;
  const claims = accessTokenClaims(response.access_token);
  const now = Date.now();
  const orgId = claims['org_id'];
  const scope = response.scope ?? claims['scope'];
  return {
    tokens: {
      accessToken: response.access_token,
      ...(refreshToken !== undefined && { refreshToken }),
      ...(idToken !== undefined && { idToken }),
    },
    grant: {
      // RFC 6749 §5.1: without `scope`, what was asked for was granted.
      scope: (typeof scope === 'string' ? scope : requestedScope).split(' ').filter(Boolean),
      obtainedAt: now,
      expiresAt: now + (lifetimeMs(response, claims) ?? ASSUMED_LIFETIME_MS),
      renewable: refreshToken !== undefined,
      ...(typeof orgId === 'string' && orgId !== '' && { orgId }),
    },
  };
}

function lifetimeMs(response: TokenEndpointResponse, claims: JWTPayload): number | undefined {
  // Both from the issuer's clock, so that ours does not matter.
  const ofTheToken = Number(claims.exp) - Number(claims.iat);
  const ms = (response.expires_in ?? ofTheToken) * 1000;
  // A number beyond what a date can hold would make every page that shows it fail.
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_LIFETIME_MS) : undefined;
}

/** When the access token is to be renewed: 60 s, or a fifth of a shorter life, before its end. */
export function renewsAt(grant: Grant): number {
  return grant.expiresAt - Math.min(REFRESH_BEFORE_MS, (grant.expiresAt - grant.obtainedAt) / 5);
}

/** Whether it is time to renew the access token, and possible. */
export const isDue = (grant: Grant) => grant.renewable && Date.now() >= renewsAt(grant);

/** Whether the access token has expired, by our clock. */
export const isExpired = (grant: Grant) => Date.now() >= grant.expiresAt;
