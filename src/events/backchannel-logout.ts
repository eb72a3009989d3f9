// POST /backchannel-logout: the issuer ends sessions here with a signed logout token.
// OpenID Connect Back-Channel Logout 1.0: https://openid.net/specs/openid-connect-backchannel-1_0.html
import { randomUUID } from 'node:crypto';
import express, { Router, type ErrorRequestHandler, type RequestHandler } from 'express';
import { errors, type JWTPayload, type JWTVerifyOptions, type JWTVerifyResult } from 'jose';
import { EventError } from './errors.ts';
import type { EventListener, Leases, SessionMatch, Sessions } from './types.ts';

export interface BackchannelLogoutOptions {
  clientId: string;
  /**
   * Verifies signature, algorithm (RS256) and issuer of a JWT, and these claims: `verifyJwt` of
   * src/bearer, or jose's `jwtVerify` with a `createRemoteJWKSet`. It must limit how often keys are
   * fetched, since anyone can post here.
   */
  verify: (token: string, options: JWTVerifyOptions) => Promise<Pick<JWTVerifyResult, 'payload'>>;
  sessions: Pick<Sessions, 'endSessions'>;
  /** Remembers used tokens on every instance; the stores of src/store do. */
  leases: Leases;
  /** Default: `/backchannel-logout`. */
  path?: string;
  onEvent?: EventListener;
}

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const MAX_BODY = 64 * 1024;
const CLOCK_TOLERANCE_S = 30;
// §2.6: a token is refused a second time for as long as it is accepted at all.
const MAX_AGE_S = 300;
const WORK_MS = 10_000;
// What createRemoteJWKSet throws is the fault of the issuer's keys, not of the token.
const KEYS_UNREADABLE = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']);
const REMEMBERED_MS = 1000 * (MAX_AGE_S + 2 * CLOCK_TOLERANCE_S);

/**
 * Returns the route (§2.5). It responds with 200 once the sessions have ended, 400 for a token that
 * is not valid (§2.8), and 503 when the store or the keys cannot be reached.
 */
export function backchannelLogout(options: BackchannelLogoutOptions): Router {
  const { path = '/backchannel-logout', onEvent = () => {} } = options;
  const readBody = express.urlencoded({ extended: false, limit: MAX_BODY, parameterLimit: 20 });
  const receive: RequestHandler = async (req, res) => {
    const { match, sub, jti } = await readLogoutToken(options, tokenIn(req.body));
    const ended = await endOnce(options, match, jti);
    onEvent({ event: 'logout_received', sessions: ended, ...(sub !== undefined && { sub }) });
    res.set('Cache-Control', 'no-store').status(200).end();
  };
  const refuse: ErrorRequestHandler = (thrown, _req, res, _next) => {
    const error = toEventError(thrown);
    const { code, reason, status, message, cause } = error;
    onEvent({ event: 'logout_refused', code, reason }, status >= 500 ? cause : undefined);
    // §2.8 names the error as OAuth does (RFC 6749 §5.2).
    const body = {
      error: status >= 500 ? 'temporarily_unavailable' : 'invalid_request',
      error_description: message,
    };
    res.status(status).set('Cache-Control', 'no-store').json(body);
  };
  return Router().post(path, readBody, receive, refuse);
}

/**
 * Of two tokens with one `jti`, one is a replay (§2.6). If the work fails, the token may come again:
 * at once, or after a few seconds if this process or the store died in between.
 */
async function endOnce(
  { sessions, leases }: BackchannelLogoutOptions,
  match: SessionMatch,
  jti: string,
): Promise<number> {
  const [name, owner] = [`jti:${jti}`, randomUUID()];
  const hold = async (ms: number) => {
    if (!(await leases.acquireLease(name, owner, ms)))
      throw new EventError('logout_token_repeated');
  };
  await hold(WORK_MS);
  try {
    const ended = await sessions.endSessions(match);
    await hold(REMEMBERED_MS);
    return ended;
  } catch (error) {
    await leases.releaseLease(name, owner).catch(() => undefined);
    throw error;
  }
}

interface LogoutToken {
  match: SessionMatch;
  sub: string | undefined;
  jti: string;
}

/** §2.6, by its numbers there. @throws EventError `logout_token_invalid`, or what `verify` throws */
async function readLogoutToken(
  options: BackchannelLogoutOptions,
  token: string,
): Promise<LogoutToken> {
  const { payload } = await options.verify(token, {
    audience: options.clientId,
    clockTolerance: CLOCK_TOLERANCE_S,
    // Some issuers leave out `exp`; for those, the age of `iat` is the limit.
    maxTokenAge: MAX_AGE_S,
    requiredClaims: ['iat', 'jti'],
  });
  const { events, nonce, jti } = payload;
  const [sub, sid] = [text(payload, 'sub'), text(payload, 'sid')];
  // Number 5: without either there is no session to end.
  if (sub === undefined && sid === undefined) throw invalid('neither sub nor sid');
  // Number 6.
  const event: unknown = Object(events)[LOGOUT_EVENT];
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    throw invalid('no logout event');
  // Number 7: an ID token must not pass as a logout token.
  if (nonce !== undefined) throw invalid('has a nonce');
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) throw invalid('jti');
  return { match: sid === undefined ? { sub: sub ?? '' } : { sid }, sub, jti };
}

function text(payload: JWTPayload, name: string): string | undefined {
  const value = payload[name];
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw invalid(name);
}

/** §2.5: the token is a form parameter, and there is one. */
function tokenIn(body: unknown): string {
  const { logout_token: token } = Object(body) as { logout_token?: unknown };
  if (typeof token === 'string' && token !== '') return token;
  throw invalid('no logout_token');
}

const invalid = (reason: string, cause?: unknown) =>
  new EventError('logout_token_invalid', { reason, cause });

/** Of jose's errors only the code goes into the log: a message may quote the token. */
function toEventError(thrown: unknown): EventError {
  if (thrown instanceof EventError) return thrown;
  if (thrown instanceof errors.JWTClaimValidationFailed) return invalid(thrown.claim, thrown);
  if (thrown instanceof errors.JOSEError && !KEYS_UNREADABLE.has(thrown.code))
    return invalid(thrown.code, thrown);
  // What body-parser and src/bearer throw has a status.
  const { status } = Object(thrown) as { status?: unknown };
  if (Number(status) < 500) return invalid('malformed', thrown);
  return new EventError('unavailable', { cause: thrown });
}
