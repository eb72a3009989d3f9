// What the response to a refresh means. One that carries tokens loses no refresh token, however odd it
// is: the old one is spent by then. One that refuses is about the grant, or about the operator's settings,
// or says nothing: one rule for all of them.
import { decodeJwt, type JWTPayload } from 'jose';
import { SignInError } from '../errors.ts';
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

/** A refusal that is about this grant and nothing else. */
export class GrantRefusal extends SignInError {
  /** Whether AuthKit says that the grant is over; else it may think better of it. */
  readonly isFinal: boolean;

  constructor(isFinal: boolean, cause: unknown) {
    super('refresh_refused', { cause });
    this.isFinal = isFinal;
  }
}

// RFC 6749 §5.2, RFC 8707 §2: wrong settings, which no sign-in of this person would put right.
const OPERATORS = new Set([
  'invalid_client',
  'unauthorized_client',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'unsupported_grant_type',
]);
// Too slow, too early, too often: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
const NOT_NOW = new Set([408, 425, 429]);

/** The OAuth error of a response, if it is one. */
function oauthErrorOf(body: unknown): string | undefined {
  const { error } = (typeof body === 'object' && body) as { error?: unknown };
  return typeof error === 'string' && error !== '' ? error : undefined;
}

/**
 * What a response without tokens says, by its status and its JSON; `cause` is the library's view of it.
 * `invalid_grant` ends the grant, whatever the status. Any other OAuth error of a 4xx is about the grant
 * too, words that nobody has seen yet among them. All else is an outage: a page of an edge is no word of
 * AuthKit's.
 */
export function refusalOf(status: number, body: unknown, cause: unknown): GrantRefusal | undefined {
  const error = oauthErrorOf(body);
  if (error === 'invalid_grant') return new GrantRefusal(true, cause);
  const isRefusal = status >= 400 && status < 500 && !NOT_NOW.has(status);
  const isAboutGrant = isRefusal && error !== undefined && !OPERATORS.has(error);
  return isAboutGrant ? new GrantRefusal(false, cause) : undefined;
}

/** Whether the response says that this application is set up wrongly, which is an alarm. */
export const isOperators = (body: unknown) => OPERATORS.has(oauthErrorOf(body) ?? '');

/** After so many refusals, or so long after the first, AuthKit no longer stands behind a session. */
const MOST_REFUSALS = 3;
const LONGEST_REFUSED_MS = 60_000;
const MOST_REFUSED = 1_000;

/** The refusals of grants that AuthKit did not call final, since it last renewed their tokens. */
export class Refusals {
  /** By session key; `since` by the monotonic clock. */
  readonly #refused = new Map<string, { count: number; since: number }>();

  /** Adds one, and says whether the session has had too many, or for too long. */
  addIsTooMany(key: string): boolean {
    const now = performance.now();
    const { count, since } = this.#refused.get(key) ?? { count: 0, since: now };
    if (count + 1 >= MOST_REFUSALS || now - since >= LONGEST_REFUSED_MS) {
      this.forget(key);
      return true;
    }
    if (this.#refused.size >= MOST_REFUSED) this.#refused.clear();
    this.#refused.set(key, { count: count + 1, since });
    return false;
  }

  forget(key: string): void {
    this.#refused.delete(key);
  }
}
