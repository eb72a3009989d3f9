// Checks API_AUDIENCE, against an access token if one is given.
import { decodeJwt, type JWTPayload } from 'jose';
import type { Config } from '../../config/config.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const ENVIRONMENT =
  'API_AUDIENCE=<the environment’s client id, shown in the dashboard; elsewhere the aud of an access token>';

/**
 * Takes the settings and optionally an access token, whose claims are read but not verified.
 * Returns whether the API would accept its audience (RFC 9068 §4, RFC 7519 §4.1.3).
 */
export function checkAudience(config: Config, issuer: URL, accessToken?: string): Finding {
  const clientId = config.authKit?.clientId ?? '';
  const accepted = config.apiAudience ?? [config.resource ?? clientId];
  if (accessToken !== undefined) return compare(accepted, issuer, clientId, accessToken);
  if (accepted.every((audience) => audience === clientId)) {
    const found =
      'the API accepts only the application’s client id, which is in no access token: it refuses every call';
    return warning('audience', found, ENVIRONMENT);
  }
  return ok(
    'audience',
    `the API accepts ${accepted.join(', ')} (check an access token with --token FILE)`,
  );
}

function compare(accepted: string[], issuer: URL, clientId: string, accessToken: string): Finding {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(accessToken);
  } catch {
    return wrongToken('is not a JWT');
  }
  // Not verified: the claims may be of any type.
  const { iss, aud = [] } = claims as { iss: unknown; aud?: unknown };
  if (typeof iss !== 'string') return wrongToken('has no issuer');
  if (URL.parse(iss)?.href !== issuer.href) {
    const found = `the given token is from another issuer: ${iss}`;
    return problem('audience', found, `AUTHKIT_ISSUER=${iss}, or give a token from ${issuer.href}`);
  }
  const audiences = [aud].flat().filter((audience) => typeof audience === 'string');
  // An ID token's audience is the application: accepting that audience means accepting ID tokens.
  const hasAccessClaims = 'scope' in claims || 'client_id' in claims;
  const isIdToken = 'nonce' in claims || 'at_hash' in claims || !hasAccessClaims;
  if (isIdToken && audiences.includes(clientId)) return wrongToken('is an ID token');
  if (audiences.length === 0) return wrongToken('has no audience');
  if (audiences.some((audience) => accepted.includes(audience))) {
    return ok('audience', `${accepted.join(', ')}, as in the given token`);
  }
  const found = `the token is for ${audiences.join(', ')}, the API accepts ${accepted.join(', ')}`;
  return problem('audience', found, `API_AUDIENCE=${audiences[0]}`);
}

const wrongToken = (what: string) =>
  problem('audience', `the given token ${what}`, '--token FILE: give an access token from AuthKit');
