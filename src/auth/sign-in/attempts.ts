// Sign-in attempts: one record per attempt, in a sealed cookie of its own. Outside the session,
// because a sign-in replaces the session when the first of two tabs succeeds; one cookie each, because
// two tabs that start together would overwrite each other's list. They cost the store nothing.
import { createHash } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import { parseCookie } from 'cookie';
import type { Context } from '../context.ts';
import { sameOriginPath, type SameOriginPath } from './return-to.ts';

/** What binds the response to this browser: RFC 9700 §2.1.1, §4.7; OpenID Connect Core §15.5.2. */
export interface SignInAttempt {
  state: string;
  nonce: string;
  codeVerifier: string;
  returnTo: SameOriginPath;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

/** The attempt that an authorization response belongs to, or why there is none. */
export type FoundAttempt =
  | { status: 'open'; id: string; attempt: SignInAttempt }
  | { status: 'attempt_expired' | 'attempt_used'; returnTo: SameOriginPath }
  | { status: 'attempt_missing' | 'state_mismatch' | 'callback_invalid' };

// More would pile up to a request that proxies answer with 431.
const MOST = 5;
const LIFETIME_MS = 600_000;
// The cookie outlives the attempt, so that "expired" can be told from "another browser".
const COOKIE_MS = 3_600_000;
// Anything else with our prefix was put there by somebody else, and may not even be a legal name.
const OWN_NAME = /^[0-9a-z]{1,12}\.[\w-]{16}$/;

const RESPONSE_PARAMETERS = ['code', 'error', 'state', 'iss', 'error_description', 'error_uri'];
// Response types and modes that were not asked for.
const FOREIGN_PARAMETERS = ['response', 'token', 'id_token'];

/** A short name for an attempt that gives nothing away: a hash of its state. */
export const attemptId = (state: string) =>
  createHash('sha256').update(state).digest('base64url').slice(0, 16);

/** Lets this browser hold the attempt; beyond five, its oldest go. */
export function keepAttempt(context: Context, req: Request, res: Response, attempt: SignInAttempt) {
  // The name begins with the time, so the first in order are the oldest.
  const names = namesOf(context, cookiesOf(req)).toSorted();
  for (const name of names.slice(0, Math.max(0, names.length - MOST + 1))) {
    res.clearCookie(name, attributesOf(context));
  }
  put(context, res, attempt, COOKIE_MS);
}

/** The attempt of this browser that the authorization response in the query belongs to. */
export function findAttempt(context: Context, req: Request): FoundAttempt {
  const response = readAuthorizationResponse(req);
  if (!response) return { status: 'callback_invalid' };
  const cookies = cookiesOf(req);
  const names = namesOf(context, cookies);
  if (names.length === 0 || response.state === undefined) return { status: 'attempt_missing' };
  const id = attemptId(response.state);
  const name = names.find((candidate) => candidate.endsWith(`.${id}`));
  const value = Buffer.from((name && cookies[name]) ?? '', 'base64url');
  const content = name && context.attemptSealer.open(value, name);
  return content ? statusOf(context, id, content) : { status: 'state_mismatch' };
}

/** Remembers where a completed attempt led, so that the back button finds the way again. */
export function finishAttempt(context: Context, res: Response, attempt: SignInAttempt): void {
  // Without its verifier and nonce the record can complete nothing any more.
  put(context, res, { ...attempt, codeVerifier: '', nonce: '' }, LIFETIME_MS);
}

/**
 * The authorization response in a callback's query (RFC 6749 §4.1.2, §4.1.2.1); undefined if there is
 * none, or if a parameter is repeated. A code may be as long as an address may be.
 * IMPORTANT: anyone can send a browser here with any query. RFC 6749 §3.1 forbids repetition: two
 * parsers could each pick another value.
 */
function readAuthorizationResponse(req: Request): { state: string | undefined } | undefined {
  // Read as the strategy reads it; parsing the whole address would fail on a malformed one.
  const query = new URLSearchParams(req.originalUrl.split('?').slice(1).join('?'));
  const isMalformed = RESPONSE_PARAMETERS.some((name) => {
    const values = query.getAll(name);
    return values.length > 1;
  });
  if (isMalformed || FOREIGN_PARAMETERS.some((name) => query.has(name))) return undefined;
  // Exactly one of the two makes a response.
  if (!query.get('code') === !query.get('error')) return undefined;
  return { state: query.get('state') || undefined };
}

const cookiesOf = (req: Request) => parseCookie(req.headers.cookie ?? '');

const prefixOf = ({ isSecure }: Context) => `${isSecure ? '__Host-' : ''}sign-in.`;

function namesOf(context: Context, cookies: object): string[] {
  const prefix = prefixOf(context);
  return Object.keys(cookies).filter(
    (name) => name.startsWith(prefix) && OWN_NAME.test(name.slice(prefix.length)),
  );
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
  const name = `${prefixOf(context)}${time}.${attemptId(attempt.state)}`;
  const sealed = context.attemptSealer.seal(JSON.stringify(attempt), name);
  res.cookie(name, sealed.toString('base64url'), { ...attributesOf(context), maxAge });
}

function statusOf({ notPages }: Context, id: string, content: Buffer): FoundAttempt {
  const attempt = JSON.parse(content.toString()) as SignInAttempt;
  const returnTo = sameOriginPath(attempt.returnTo, notPages);
  if (attempt.codeVerifier === '') return { status: 'attempt_used', returnTo };
  if (Date.now() - attempt.startedAt > LIFETIME_MS) return { status: 'attempt_expired', returnTo };
  return { status: 'open', id, attempt: { ...attempt, returnTo } };
}
