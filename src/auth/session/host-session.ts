// `req.session` for the host's own routes, on the store of sign-in.
import { stringifyCookie } from 'cookie';
import type { RequestHandler } from 'express';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { hasOurSession, sessionOf } from './session.ts';

/**
 * express-session, for the host's routes that use `req.session`.
 * @throws SignInError `store_unavailable`
 */
export function hostSession(context: Context): RequestHandler {
  const { store, cookie, expressSession, isSecure } = context;
  return (req, res, next) => {
    // express-session silently passes over a request that has a session already.
    if (req.session !== undefined && !hasOurSession(store, req))
      throw new TypeError('auth.hostSession stands behind another session(): use one of them here');
    // It withholds a Secure cookie on a connection that is not TLS. A proxy may have ended TLS.
    if (isSecure) Object.defineProperty(req, 'secure', { value: true, configurable: true });
    const { unavailable, stored } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    // It would take the first cookie of the name, whoever's that is: it gets to see ours alone.
    const { cookie: header } = req.headers;
    req.headers.cookie = stored && stringifyCookie({ [cookie.name]: cookie.signed(stored.sid) });
    void expressSession(req, res, (cause?: unknown) => {
      req.headers.cookie = header;
      next(cause === undefined ? undefined : new SignInError('store_unavailable', { cause }));
    });
  };
}
