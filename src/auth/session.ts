// The session on each request: express-session reads it, then it is decided who this is.
// Sessions exist for signed-in people only; a visitor gets no session and no cookie.
import type { Request, RequestHandler, Response } from 'express';
import session from 'express-session';
import { parseCookie } from 'cookie';
import { storeFailure, type SealedSessionStore } from './session-store.ts';
import { SignInError } from './errors.ts';
import type { SignedIn } from './express.ts';
import { sessionCookie, type SessionSettings } from './session-settings.ts';

/** Use of a session is noted once a minute, or ten times within a short idle limit. */
const touchAfterMs = (idleSeconds: number) => Math.min(60_000, idleSeconds * 100);

export function sessionMiddleware(
  settings: SessionSettings,
  store: SealedSessionStore,
): RequestHandler {
  const { name, attributes, options } = sessionCookie(settings);
  const readSession = session({
    name,
    store,
    secret: [...settings.secrets],
    cookie: options,
    // A request that changed nothing writes nothing: it could only write old data back.
    resave: false,
    saveUninitialized: false,
  });

  return (req, res, next) => {
    // express-session withholds a Secure cookie on a connection that is not TLS. Behind a proxy
    // that ends TLS none would ever be set; BASE_URL says what the browser sees.
    if (settings.secure) Object.defineProperty(req, 'secure', { value: true, configurable: true });
    readSession(req, res, (error?: unknown) => {
      if (error) {
        // Pages that need nobody go on; guards answer 503. Express 5 has set no session here.
        req.sessionUnavailable = new SignInError('store_unavailable', { cause: error });
        return next();
      }
      if (store.isStored(req.session)) recognize(req, settings, store);
      // A cookie that leads nowhere (old secret, ended session) is taken back with the attributes it
      // was set with; kept, it would be sent and looked up for ever.
      else if (hasCookie(req, name)) res.clearCookie(name, attributes);
      return next();
    });
  };
}

const hasCookie = (req: Request, name: string) =>
  req.headers.cookie?.includes(name) === true && name in parseCookie(req.headers.cookie);

/** Sets `req.user` if somebody is signed in here, with this application, and not for too long. */
function recognize(req: Request, settings: SessionSettings, store: SealedSessionStore): void {
  const { signedIn } = req.session;
  const now = Date.now();
  if (!signedIn || !belongsHere(signedIn, settings) || now >= signedIn.endsAt) return;
  // The store ends unused sessions by a column of its own; this one is sealed.
  if (now - signedIn.lastSeenAt > settings.idleSeconds * 1000 + touchAfterMs(settings.idleSeconds))
    return;
  const grant = store.grantOf(req.session);
  if (!grant) return;
  recognizeAs(req, signedIn, grant);
  if (now - signedIn.lastSeenAt < touchAfterMs(settings.idleSeconds)) return;
  // The one write that use of a session causes, at most once a minute; express-session sends the
  // cookie again with it, so that its expiry moves along. Neither outlives the absolute end.
  signedIn.lastSeenAt = now;
  req.session.cookie.maxAge = Math.min(settings.idleSeconds * 1000, signedIn.endsAt - now);
}

export function recognizeAs(
  req: Request,
  { user }: SignedIn,
  grant: NonNullable<Request['grant']>,
): void {
  req.grant = grant;
  req.user = { ...user, ...(grant.orgId !== undefined && { orgId: grant.orgId }) };
}

function belongsHere({ user, clientId }: SignedIn, settings: SessionSettings): boolean {
  const { href } = settings.issuer;
  // Equal but for the slash that URL adds, as a rule; only otherwise is it worth parsing.
  const isSameText = href === user.issuer || href === `${user.issuer}/`;
  return clientId === settings.clientId && (isSameText || new URL(user.issuer).href === href);
}

/** Ends this browser's session: nobody is signed in for the rest of this request either. */
export async function endSession(
  req: Request,
  res: Response,
  settings: SessionSettings,
): Promise<void> {
  const { name, attributes } = sessionCookie(settings);
  await new Promise<void>((resolve, reject) => {
    req.session.destroy((error: unknown) => (error ? reject(error) : resolve()));
  }).catch(storeFailure);
  req.user = undefined;
  delete req.grant;
  res.clearCookie(name, attributes);
}
