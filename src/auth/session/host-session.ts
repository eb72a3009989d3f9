// `req.session` for the host, which is your app: for its own routes, in the same store as sign-in.
import { stringifyCookie } from 'cookie';
import type { RequestHandler } from 'express';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { hasOurSession, sessionOf } from './session.ts';

/**
 * express-session for your routes that use `req.session`.
 * @throws SignInError `store_unavailable`
 */
export function hostSession(context: Context): RequestHandler {
  const { store, cookie, expressSession, isSecure } = context;
  return (req, res, next) => {
    // express-session silently skips a request that already has a session.
    if (req.session !== undefined && !hasOurSession(store, req))
      throw new TypeError('auth.hostSession is mounted after another session(): use only one');
    // express-session sends no Secure cookie without TLS, but a proxy may have terminated TLS.
    if (isSecure) Object.defineProperty(req, 'secure', { value: true, configurable: true });
    const { unavailable, stored } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    // express-session reads the first cookie of this name, which another application may have set:
    // pass it only the cookie of the session found above.
    const { cookie: header } = req.headers;
    req.headers.cookie = stored && stringifyCookie({ [cookie.name]: cookie.signed(stored.sid) });
    void expressSession(req, res, (cause?: unknown) => {
      req.headers.cookie = header;
      next(cause === undefined ? undefined : new SignInError('store_unavailable', { cause }));
    });
  };
}
