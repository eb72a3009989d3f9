// A browser that signs in again and again, and never arrives: a stale cookie that shadows ours, a
// clock that is off, blocked cookies. After some rounds it gets a page that says so.
import { createHash } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { isNoNavigation } from '../../auth/index.ts';
import { PageError } from '../errors.ts';

const COOKIE = 'login-rounds';
// Each round has this long; a redirect loop needs a moment, and even a person only some seconds.
const WINDOW_SECONDS = 20;
// Browsers give up after 20 redirects with a page of their own, and a round takes four to six.
const MOST_ROUNDS = 3;

/**
 * Goes before /login; counts in the browser itself, so that it costs the server nothing. A round is
 * the same address once more: tabs that open together have each their own.
 * @throws PageError `sign_in_loop` after three rounds within 20 s each
 */
export function breakSignInLoop(secure: boolean): RequestHandler {
  const attributes = { httpOnly: true, sameSite: 'lax', path: '/login', secure } as const;
  return (req, res, next) => {
    if (req.method !== 'GET' || isNoNavigation(req)) return next();
    const address = createHash('sha256').update(req.originalUrl).digest('base64url').slice(0, 12);
    const rounds = roundsOf(req, address) + 1;
    if (rounds > MOST_ROUNDS) {
      res.clearCookie(COOKIE, attributes);
      throw new PageError('sign_in_loop');
    }
    const value = `${rounds}.${address}`;
    res.cookie(COOKIE, value, { ...attributes, maxAge: WINDOW_SECONDS * 1000 });
    return next();
  };
}

function roundsOf(req: Request, address: string): number {
  const cookie = /(?:^|; )login-rounds=(\d)\.([\w-]{12})(?:;|$)/.exec(req.headers.cookie ?? '');
  return cookie?.[2] === address ? Number(cookie[1]) : 0;
}
