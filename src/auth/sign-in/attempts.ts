// Sign-in attempts, each in its own sealed cookie. They are kept outside the session because a
// sign-in replaces the session when the first of two tabs succeeds, and in separate cookies because
// two tabs that start together would overwrite each other's list. They cost the store nothing.
import { createHash } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { cookiesWithPrefix } from '../session/cookie.ts';
import type { SameOriginPath } from './return-to.ts';

/** Binds the response to this browser: RFC 9700 §2.1.1, §4.7; OpenID Connect Core §15.5.2. */
export interface SignInAttempt {
  state: string;
  nonce: string;
  codeVerifier: string;
  returnTo: SameOriginPath;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** The loop check no longer counts this completed attempt. */
  isExempt?: boolean;
}

/** The attempt that an authorization response belongs to, or why there is none. */
export type FoundAttempt = { status: 'open'; id: string; attempt: SignInAttempt } | NotOpen;
export type NotOpen =
  | { status: 'attempt_expired' | 'attempt_used'; returnTo: SameOriginPath }
  | { status: 'attempt_missing' | 'state_mismatch' | 'callback_invalid' | 'access_denied' };

// More cookies could make a request so large that proxies respond 431.
const MAX_ATTEMPTS = 5;
const LIFETIME_MS = 600_000;
// The cookie outlives the attempt, to tell an expired attempt from one of another browser.
const COOKIE_MS = 3_600_000;
const LOOP_LIMIT = 3;
const LOOP_WINDOW_MS = 60_000;

const RESPONSE_PARAMETERS = ['code', 'error', 'state', 'iss', 'error_description', 'error_uri'];
// Parameters of response types and modes that were not requested.
const UNREQUESTED_PARAMETERS = ['response', 'token', 'id_token'];

/** A short identifier of an attempt: a hash of its state, which reveals nothing. */
export const idOf = (state: string) =>
  createHash('sha256').update(state).digest('base64url').slice(0, 16);

/**
 * Saves the attempt in this browser; beyond five, deletes the oldest.
 * @throws SignInError `sign_in_loop` on the fourth sign-in within a minute if the first three
 * completed and left no user signed in: the browser does not keep the session cookie, or sessions
 * end at once
 */
export function save(context: Context, req: Request, res: Response, attempt: SignInAttempt) {
  const attempts = attemptsOf(context, req);
  const countsAsLoop = (other: SignInAttempt) =>
    isCompleted(other) && !other.isExempt && attempt.startedAt - other.startedAt < LOOP_WINDOW_MS;
  if (!req.authSession?.current && attempts.filter(countsAsLoop).length >= LOOP_LIMIT) {
    exemptFromLoopCheck(context, res, attempts);
    throw new SignInError('sign_in_loop');
  }
  for (const { name } of attempts.slice(0, Math.max(0, attempts.length - MAX_ATTEMPTS + 1))) {
    res.clearCookie(name, attributesOf(context));
  }
  put(context, res, attempt, COOKIE_MS);
}

/** Finds this browser's attempt that the authorization response in the query belongs to. */
export function find(context: Context, req: Request): FoundAttempt {
  const response = readAuthorizationResponse(req);
  if (!response) return { status: 'callback_invalid' };
  // AuthKit may omit the state here, and reporting this error needs no attempt.
  if (!response.state && response.error === 'access_denied') return { status: 'access_denied' };
  const attempts = attemptsOf(context, req);
  if (attempts.length === 0 || response.state === undefined) return { status: 'attempt_missing' };
  const attempt = attempts.find(({ state }) => state === response.state);
  return attempt ? statusOf(attempt) : { status: 'state_mismatch' };
}

/** A sign-out shows that the session worked: attempts completed so far are no loop. */
export const resetLoopCheck = (context: Context, req: Request, res: Response) =>
  exemptFromLoopCheck(context, res, attemptsOf(context, req));

function exemptFromLoopCheck(context: Context, res: Response, attempts: SignInAttempt[]): void {
  for (const attempt of attempts.filter(isCompleted))
    put(context, res, { ...attempt, isExempt: true }, LIFETIME_MS);
}

/** Marks an attempt as completed. It keeps where it led, for the browser's back button. */
export function finish(context: Context, res: Response, attempt: SignInAttempt): void {
  // Without its code verifier and nonce, the record cannot complete a sign-in again.
  put(context, res, { ...attempt, codeVerifier: '', nonce: '' }, LIFETIME_MS);
}

/**
 * The authorization response in the callback's query (RFC 6749 §4.1.2, §4.1.2.1); undefined if
 * it has neither or both of `code` and `error`, repeats a parameter, or has one of a response type or
 * mode that was not requested.
 * IMPORTANT: anyone can send a browser here with any query. RFC 6749 §3.1 forbids repeated
 * parameters: two parsers could pick different values.
 */
function readAuthorizationResponse(req: Request) {
  // Parsed as the strategy parses it; parsing the whole URL would throw on a malformed one.
  const query = new URLSearchParams(req.originalUrl.split('?').slice(1).join('?'));
  const isMalformed = RESPONSE_PARAMETERS.some((name) => query.getAll(name).length > 1);
  const isUnrequested = UNREQUESTED_PARAMETERS.some((name) => query.has(name));
  // A response has either a code or an error.
  if (isMalformed || isUnrequested || !query.get('code') === !query.get('error')) return undefined;
  return { state: query.get('state') || undefined, error: query.get('error') };
}

const prefixOf = ({ isSecure, cookieSuffix }: Context) =>
  `${isSecure ? '__Host-' : ''}sign-in-${cookieSuffix}.`;

/** The attempts that this browser holds, oldest first. Cookies not sealed here are ignored. */
function attemptsOf(context: Context, req: Request): (SignInAttempt & { name: string })[] {
  return cookiesWithPrefix(prefixOf(context), req.headers.cookie)
    .flatMap(([name, value]) => {
      const attempt = context.attemptSealer.open(Buffer.from(value, 'base64url'), name);
      return attempt ? [{ ...(attempt as SignInAttempt), name }] : [];
    })
    .toSorted((a, b) => a.startedAt - b.startedAt);
}

// SameSite=Lax: the response is a top-level navigation from AuthKit's site; Strict would withhold
// the cookies.
const attributesOf = ({ isSecure }: Context): CookieOptions => ({
  path: '/',
  httpOnly: true,
  sameSite: 'lax',
  secure: isSecure,
});

function put(context: Context, res: Response, attempt: SignInAttempt, maxAge: number): void {
  const name = `${prefixOf(context)}${attempt.startedAt.toString(36)}.${idOf(attempt.state)}`;
  const sealed = context.attemptSealer.seal(attempt, name);
  res.cookie(name, sealed.toString('base64url'), { ...attributesOf(context), maxAge });
}

function statusOf(attempt: SignInAttempt): FoundAttempt {
  const { returnTo, startedAt, state } = attempt;
  if (isCompleted(attempt)) return { status: 'attempt_used', returnTo };
  if (Date.now() - startedAt > LIFETIME_MS) return { status: 'attempt_expired', returnTo };
  return { status: 'open', id: idOf(state), attempt };
}

const isCompleted = ({ codeVerifier }: SignInAttempt) => codeVerifier === '';
