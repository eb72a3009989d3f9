// express-session on our store. It begins the session of a sign-in (session.ts), and it is what a host
// mounts as `auth.hostSession` on the routes that use `req.session`.
import type { Request, RequestHandler, Response } from 'express';
import session from 'express-session';
import { SignInError } from '../errors.ts';
import type { SessionCookie } from './cookie.ts';
import type { SealedSessionStore } from './store.ts';

interface Options {
  store: SealedSessionStore;
  cookie: SessionCookie;
  secrets: readonly string[];
  idleSeconds: number;
}

/** express-session with the settings of sign-in. @throws SignInError `store_unavailable` */
export function expressSession({ store, cookie, secrets, idleSeconds }: Options): RequestHandler {
  const { name, attributes } = cookie;
  const start = session({
    name,
    store,
    secret: [...secrets],
    cookie: { ...attributes, maxAge: idleSeconds * 1000 },
    // A request that changed nothing writes nothing: it could only write old data back.
    resave: false,
    saveUninitialized: false,
  });
  return (req, res, next) => {
    // express-session silently passes over a request that has a session already.
    if (req.session !== undefined && !hasOurSession(store, req))
      throw new TypeError('auth.hostSession stands behind another session(): use one of them here');
    // It withholds a Secure cookie on a connection that is not TLS. A proxy may have ended TLS.
    if (attributes.secure)
      Object.defineProperty(req, 'secure', { value: true, configurable: true });
    start(req, res, (cause?: unknown) => {
      next(cause === undefined ? undefined : new SignInError('store_unavailable', { cause }));
    });
  };
}

/** Whether `req.session` is of our store, and not another session layer's. */
export function hasOurSession(store: SealedSessionStore, req: Request): boolean {
  const { session: found, sessionStore }: { session?: unknown; sessionStore?: unknown } = req;
  return found !== undefined && sessionStore === store;
}

/**
 * A request like `req` that has no session yet, for express-session to make one with a new id: it sees
 * no cookie (session fixation, OWASP ASVS 5, 7.2.4), and whatever session the host keeps on `req` stays
 * untouched.
 */
export async function withNewSession(
  start: RequestHandler,
  req: Request,
  res: Response,
): Promise<Request> {
  const own = { writable: true, configurable: true, value: undefined };
  const request = Object.create(req, {
    session: own,
    sessionID: own,
    sessionStore: own,
    cookies: own,
    signedCookies: own,
    headers: { value: { ...req.headers, cookie: undefined } },
  }) as Request;
  await new Promise<void>((resolve, reject) => {
    void start(request, res, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  return request;
}
