// A browser that signs in again and again, and never arrives: a stale cookie that shadows ours, a
// clock that is off, blocked cookies. After some rounds it gets a page that says so.
import type { Request, RequestHandler } from 'express';
import { isPrefetch } from '../auth/index.ts';
import { PageError } from '../errors.ts';

const COOKIE = 'login-rounds';
const WINDOW_SECONDS = 60;
// A person with several tabs stays below it; a redirect loop passes it in seconds.
const MOST_ROUNDS = 10;

/** Goes before /login; counts in the browser itself, so that it costs the server nothing. */
export function breakSignInLoop(secure: boolean): RequestHandler {
  const attributes = { httpOnly: true, sameSite: 'lax', path: '/login', secure } as const;
  return (req, res, next) => {
    if (req.method !== 'GET' || isPrefetch(req)) return next();
    const rounds = roundsOf(req) + 1;
    if (rounds > MOST_ROUNDS) {
      res.clearCookie(COOKIE, attributes);
      throw new PageError('sign_in_loop');
    }
    res.cookie(COOKIE, String(rounds), { ...attributes, maxAge: WINDOW_SECONDS * 1000 });
    return next();
  };
}

function roundsOf(req: Request): number {
  const [, count] = /(?:^|; )login-rounds=(\d{1,3})(?:;|$)/.exec(req.headers.cookie ?? '') ?? [];
  return Number(count ?? 0);
}
