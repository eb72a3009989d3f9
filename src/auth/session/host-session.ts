// `req.session` for the host's own routes, on the store of sign-in.
import type { RequestHandler } from 'express';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { hasOurSession } from './session.ts';

/**
 * express-session, for the host's routes that use `req.session`.
 * @throws SignInError `store_unavailable`
 */
export function hostSession({ store, expressSession, isSecure }: Context): RequestHandler {
  return (req, res, next) => {
    // express-session silently passes over a request that has a session already.
    if (req.session !== undefined && !hasOurSession(store, req))
      throw new TypeError('auth.hostSession stands behind another session(): use one of them here');
    // It withholds a Secure cookie on a connection that is not TLS. A proxy may have ended TLS.
    if (isSecure) Object.defineProperty(req, 'secure', { value: true, configurable: true });
    void expressSession(req, res, (cause?: unknown) => {
      next(cause === undefined ? undefined : new SignInError('store_unavailable', { cause }));
    });
  };
}
