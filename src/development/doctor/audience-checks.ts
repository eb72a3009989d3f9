// API_AUDIENCE, against a real access token where one was given.
import { decodeJwt, type JWTPayload } from 'jose';
import type { Config } from '../../config/config.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const ENVIRONMENT = 'API_AUDIENCE=<the environment’s client id, shown in the dashboard>';

/**
 * Takes the settings and, where there is one, an access token, whose claims are read and not
 * verified. Returns whether /api would accept its audience (RFC 9068 §4, RFC 7519 §4.1.3).
 */
export function checkAudience(config: Config, issuer: URL, accessToken?: string): Finding {
  const clientId = config.authKit?.clientId ?? '';
  const accepted = config.apiAudience ?? [config.resource ?? clientId];
  if (accessToken !== undefined) return compare(accepted, issuer, clientId, accessToken);
  if (accepted.every((audience) => audience === clientId)) {
    const found =
      'the API accepts the application’s client id, which AuthKit puts into no access token: it refuses every call';
    return warning('audience', found, ENVIRONMENT);
  }
  return ok('audience', `the API accepts ${accepted.join(', ')} (--token FILE compares a token)`);
}

function compare(accepted: string[], issuer: URL, clientId: string, accessToken: string): Finding {
  let claims: JWTPayload;
  try {
    claims = decodeJwt(accessToken);
  } catch {
    return otherToken('is no JWT');
  }
  const { iss = '', aud = [] } = claims;
  if (!URL.canParse(iss) || new URL(iss).href !== issuer.href) {
    const found = `the given token is of another issuer: ${iss}`;
    return problem('audience', found, `AUTHKIT_ISSUER=${iss}, or give a token of ${issuer.href}`);
  }
  const audiences = [aud].flat();
  // An ID token's audience is the application; accepted at an API, it would open it to sign-ins.
  const showsKind = 'scope' in claims || 'client_id' in claims;
  const isIdToken = 'nonce' in claims || 'at_hash' in claims || !showsKind;
  if (isIdToken && audiences.includes(clientId)) return otherToken('is an ID token');
  if (audiences.length === 0) return otherToken('names no audience');
  if (audiences.some((audience) => accepted.includes(audience))) {
    return ok('audience', `${accepted.join(', ')}, as in the given token`);
  }
  const found = `the token is for ${audiences.join(', ')}, the API accepts ${accepted.join(', ')}`;
  return problem('audience', found, `API_AUDIENCE=${audiences[0]}`);
}

const otherToken = (what: string) =>
  problem('audience', `the given token ${what}`, '--token FILE: give an access token of AuthKit');
