// What may be wrong with the response to a refresh. None of it loses a refresh token: the old one is spent
// by then. Only tokens of somebody else end the session.
import { decodeJwt, type JWTPayload } from 'jose';
import type { User } from '../sign-in/user.ts';
import { isBearer, type ResponseBody } from './token-set.ts';

/** Whether a body of status 200 brings any token at all. */
export function isTokenResponse(body: unknown): body is ResponseBody {
  if (typeof body !== 'object' || body === null) return false;
  const { access_token: accessToken, refresh_token: refreshToken }: ResponseBody = body;
  return isText(refreshToken) || isText(accessToken);
}

/**
 * Whether an ID token in the response, if there is one that can be read, is about this person, from this
 * issuer and for this application (OpenID Connect Core §12.2). Its signature and times are not checked:
 * it grants nothing, and TLS vouches for where it came from.
 */
export function isOf({ issuer, sub }: User, clientId: string, { id_token: idToken }: ResponseBody) {
  const claims = claimsOf(idToken);
  if (!claims) return true;
  const isForUs = claims.aud === undefined || [claims.aud].flat().includes(clientId);
  return (claims.iss ?? issuer) === issuer && (claims.sub ?? sub) === sub && isForUs;
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

const isText = (value: unknown) => typeof value === 'string' && value !== '';

function claimsOf(idToken: unknown): JWTPayload | undefined {
  try {
    return isText(idToken) ? decodeJwt(String(idToken)) : undefined;
  } catch {
    return undefined;
  }
}
