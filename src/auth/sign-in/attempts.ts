// Sign-in attempts: one record per attempt, in a sealed cookie of its own. Outside the session,
// because a sign-in replaces the session when the first of two tabs succeeds; one cookie each, because
// two tabs that start together would overwrite each other's list. They cost the store nothing.
import { createHash } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { cookiesNamed } from '../session/cookie.ts';
import type { SameOriginPath } from './return-to.ts';

/** What binds the response to this browser: RFC 9700 §2.1.1, §4.7; OpenID Connect Core §15.5.2. */
export interface SignInAttempt {
  state: string;
  nonce: string;
  codeVerifier: string;
  returnTo: SameOriginPath;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** The session of a completed attempt was kept by the browser. */
  isArrived?: boolean;
}

/** The attempt that an authorization response belongs to, or why there is none. */
export type FoundAttempt = { status: 'open'; id: string; attempt: SignInAttempt } | NotOpen;
export type NotOpen =
  | { status: 'attempt_expired' | 'attempt_used'; returnTo: SameOriginPath }
  | { status: 'attempt_missing' | 'state_mismatch' | 'callback_invalid' | 'access_denied' };

// More would pile up to a request that proxies answer with 431.
const MOST = 5;
const LIFETIME_MS = 600_000;
// The cookie outlives the attempt, so that "expired" can be told from "another browser".
const COOKIE_MS = 3_600_000;
const MOST_ROUNDS = 3;
const LOOP_MS = 60_000;

const RESPONSE_PARAMETERS = ['code', 'error', 'state', 'iss', 'error_description', 'error_uri'];
// Response types and modes that were not asked for.
const FOREIGN_PARAMETERS = ['response', 'token', 'id_token'];

/** A short name for an attempt that gives nothing away: a hash of its state. */
export const idOf = (state: string) =>
  createHash('sha256').update(state).digest('base64url').slice(0, 16);

/**
 * Lets this browser hold the attempt; beyond five, its oldest go.
 * @throws SignInError `sign_in_loop` where sign-ins of this browser complete and nobody is signed in by them,
 * for the fourth time within a minute: it does not keep the session's cookie, or the session ends at once
 */
export function keep(context: Context, req: Request, res: Response, attempt: SignInAttempt) {
  const held = attemptsOf(context, req);
  const isInVain = (other: SignInAttempt) =>
    isCompleted(other) && !other.isArrived && attempt.startedAt - other.startedAt < LOOP_MS;
  if (!req.authSession?.current && held.filter(isInVain).length >= MOST_ROUNDS) {
    putArrived(context, res, held);
    throw new SignInError('sign_in_loop');
  }
  for (const { name } of held.slice(0, Math.max(0, held.length - MOST + 1))) {
    res.clearCookie(name, attributesOf(context));
  }
  put(context, res, attempt, COOKIE_MS);
}

/** The attempt of this browser that the authorization response in the query belongs to. */
export function find(context: Context, req: Request): FoundAttempt {
  const response = readAuthorizationResponse(req);
  if (!response) return { status: 'callback_invalid' };
  // AuthKit may leave the state out of this one, which changes nothing here.
  if (!response.state && response.error === 'access_denied') return { status: 'access_denied' };
  const held = attemptsOf(context, req);
  if (held.length === 0 || response.state === undefined) return { status: 'attempt_missing' };
  const attempt = held.find(({ state }) => state === response.state);
  return attempt ? statusOf(attempt) : { status: 'state_mismatch' };
}

/** Whoever signs out had arrived: what they have completed until now is no loop. */
export const noteArrival = (context: Context, req: Request, res: Response) =>
  putArrived(context, res, attemptsOf(context, req));

function putArrived(context: Context, res: Response, held: SignInAttempt[]): void {
  for (const attempt of held.filter(isCompleted))
    put(context, res, { ...attempt, isArrived: true }, LIFETIME_MS);
}

/** Remembers where a completed attempt led, so that the back button finds the way again. */
export function finish(context: Context, res: Response, attempt: SignInAttempt): void {
  // Without its verifier and nonce the record can complete nothing any more.
  put(context, res, { ...attempt, codeVerifier: '', nonce: '' }, LIFETIME_MS);
}

/**
 * The authorization response in a callback's query (RFC 6749 §4.1.2, §4.1.2.1); undefined if there is
 * none, or if a parameter is repeated. A code may be as long as an address may be.
 * IMPORTANT: anyone can send a browser here with any query. RFC 6749 §3.1 forbids repetition: two
 * parsers could each pick another value.
 */
function readAuthorizationResponse(req: Request) {
  // Read as the strategy reads it; parsing the whole address would fail on a malformed one.
  const query = new URLSearchParams(req.originalUrl.split('?').slice(1).join('?'));
  const isMalformed = RESPONSE_PARAMETERS.some((name) => query.getAll(name).length > 1);
  const isForeign = FOREIGN_PARAMETERS.some((name) => query.has(name));
  // Exactly one of the two makes a response.
  if (isMalformed || isForeign || !query.get('code') === !query.get('error')) return undefined;
  return { state: query.get('state') || undefined, error: query.get('error') };
}

const prefixOf = ({ isSecure, cookieSuffix }: Context) =>
  `${isSecure ? '__Host-' : ''}sign-in-${cookieSuffix}.`;

/** The attempts that this browser holds, the oldest first. What others put there does not open. */
function attemptsOf(context: Context, req: Request): (SignInAttempt & { name: string })[] {
  return cookiesNamed(prefixOf(context), req.headers.cookie)
    .flatMap(([name, value]) => {
      const content = context.attemptSealer.open(Buffer.from(value, 'base64url'), name);
      return content ? [{ ...(JSON.parse(content.toString()) as SignInAttempt), name }] : [];
    })
    .toSorted((a, b) => a.startedAt - b.startedAt);
}

// SameSite=Lax: the response is a top-level navigation from AuthKit's site, which Strict would strip.
const attributesOf = ({ isSecure }: Context): CookieOptions => ({
  path: '/',
  httpOnly: true,
  sameSite: 'lax',
  secure: isSecure,
});

function put(context: Context, res: Response, attempt: SignInAttempt, maxAge: number): void {
  const time = attempt.startedAt.toString(36);
  const name = `${prefixOf(context)}${time}.${idOf(attempt.state)}`;
  const sealed = context.attemptSealer.seal(JSON.stringify(attempt), name);
  res.cookie(name, sealed.toString('base64url'), { ...attributesOf(context), maxAge });
}

function statusOf(attempt: SignInAttempt): FoundAttempt {
  const { returnTo, startedAt, state } = attempt;
  if (isCompleted(attempt)) return { status: 'attempt_used', returnTo };
  if (Date.now() - startedAt > LIFETIME_MS) return { status: 'attempt_expired', returnTo };
  return { status: 'open', id: idOf(state), attempt };
}

const isCompleted = ({ codeVerifier }: SignInAttempt) => codeVerifier === '';
