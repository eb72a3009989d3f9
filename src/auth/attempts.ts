// Sign-in attempts: one record per attempt, in a sealed cookie of its own. Outside the session,
// because passport makes a new session when the first of two tabs succeeds; one cookie each, because
// two tabs that start together would overwrite each other's list. They cost the store nothing.
import { createHash } from 'node:crypto';
import type { CookieOptions, Request, Response } from 'express';
import { parseCookie } from 'cookie';
import { sameOriginPath, type SameOriginPath } from './return-to.ts';
import { createSealer } from './seal.ts';

/** What binds the answer to this browser: RFC 9700 §2.1.1, §4.7; OpenID Connect Core §15.5.2. */
export interface SignInAttempt {
  state: string;
  nonce: string;
  codeVerifier: string;
  returnTo: SameOriginPath;
  /** Milliseconds since the epoch. */
  startedAt: number;
}

export type FoundAttempt =
  | { status: 'open'; id: string; attempt: SignInAttempt }
  | { status: 'attempt_expired' | 'attempt_used'; returnTo: SameOriginPath }
  | { status: 'attempt_missing' | 'state_mismatch' };

export interface Attempts {
  /** Lets this browser hold the attempt; beyond five, its oldest go. */
  keep(req: Request, res: Response, attempt: SignInAttempt): void;
  /** The attempt of this browser that an answer with this `state` belongs to. */
  find(req: Request, state: string | undefined): FoundAttempt;
  /** Remembers where a completed attempt led, so that the back button finds the way again. */
  finish(res: Response, attempt: SignInAttempt): void;
}

// More would pile up to a request that proxies answer with 431.
const MOST = 5;
const LIFETIME_MS = 600_000;
// The cookie outlives the attempt, so that "expired" can be told from "another browser".
const COOKIE_MS = 3_600_000;
// Anything else with our prefix was put there by somebody else, and may not even be a legal name.
const OWN_NAME = /^[0-9a-z]{1,12}\.[\w-]{16}$/;

/** A short name for an attempt that gives nothing away: a hash of its state. */
export const attemptId = (state: string) =>
  createHash('sha256').update(state).digest('base64url').slice(0, 16);

const cookiesOf = (req: Request) => parseCookie(req.headers.cookie ?? '');

/** Takes SESSION_SECRET, whose first seals while all open, and whether cookies are Secure. */
export function createAttempts(secrets: readonly string[], secure: boolean): Attempts {
  const sealer = createSealer(secrets, 'sign-in attempt');
  const prefix = `${secure ? '__Host-' : ''}sign-in.`;
  // SameSite=Lax: the answer is a top-level navigation from AuthKit's site, which Strict would strip.
  const attributes: CookieOptions = { path: '/', httpOnly: true, sameSite: 'lax', secure };

  const namesOf = (req: Request) =>
    Object.keys(cookiesOf(req)).filter(
      (name) => name.startsWith(prefix) && OWN_NAME.test(name.slice(prefix.length)),
    );

  function put(res: Response, attempt: SignInAttempt, maxAge: number): void {
    const name = `${prefix}${attempt.startedAt.toString(36)}.${attemptId(attempt.state)}`;
    const value = sealer.seal(JSON.stringify(attempt), name).toString('base64url');
    res.cookie(name, value, { ...attributes, maxAge });
  }

  return {
    keep(req, res, attempt) {
      // The name begins with the time, so the first in order are the oldest.
      const names = namesOf(req).toSorted();
      for (const name of names.slice(0, Math.max(0, names.length - MOST + 1))) {
        res.clearCookie(name, attributes);
      }
      put(res, attempt, COOKIE_MS);
    },

    find(req, state) {
      const names = namesOf(req);
      if (names.length === 0 || state === undefined) return { status: 'attempt_missing' };
      const id = attemptId(state);
      const name = names.find((candidate) => candidate.endsWith(`.${id}`));
      const value = Buffer.from((name && cookiesOf(req)[name]) ?? '', 'base64url');
      const content = name && sealer.open(value, name);
      return content ? statusOf(id, content) : { status: 'state_mismatch' };
    },

    finish(res, attempt) {
      // Without its verifier and nonce the record can complete nothing any more.
      put(res, { ...attempt, codeVerifier: '', nonce: '' }, LIFETIME_MS);
    },
  };
}

function statusOf(id: string, content: Buffer): FoundAttempt {
  const attempt = JSON.parse(content.toString()) as SignInAttempt;
  const returnTo = sameOriginPath(attempt.returnTo);
  if (attempt.codeVerifier === '') return { status: 'attempt_used', returnTo };
  if (Date.now() - attempt.startedAt > LIFETIME_MS) return { status: 'attempt_expired', returnTo };
  return { status: 'open', id, attempt: { ...attempt, returnTo } };
}
