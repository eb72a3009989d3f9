// The session on each request: it is read, and decided who this is. express-session itself starts
// only where a route uses `req.session` (session-on-use.ts).
// Sessions exist for signed-in people; a visitor gets one, and a cookie, only where the host puts
// something into it.
import type { Request, RequestHandler, Response } from 'express';
import session from 'express-session';
import { SignInError } from './errors.ts';
import type { SignedIn } from './express.ts';
import { storeFailure } from './failure.ts';
import { createCookieReader, sessionCookie } from './session-cookie.ts';
import { createSessionOnUse } from './session-on-use.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore, StoredSession } from './session-store.ts';
import { userWithin } from './user.ts';

/** Use of a session is noted once a minute, or ten times within a short idle limit. */
const touchAfterMs = (idleSeconds: number) => Math.min(60_000, idleSeconds * 100);

export interface Session {
  middleware: RequestHandler;
  /**
   * Everybody would be a stranger where it was forgotten: sign-in without end.
   * @throws TypeError where the middleware has not seen this request
   */
  mustBeRead: (req: Request) => void;
}

/**
 * The middleware sets `req.storedSession`, and `req.user` and `req.grant` when somebody is signed in;
 * when the store cannot be read `req.sessionUnavailable`, and there is no `req.session` then.
 */
export function createSession(settings: SessionSettings, store: SealedSessionStore): Session {
  const { name, attributes } = sessionCookie(settings);
  const readCookie = createCookieReader(name, settings.secrets);
  const sessionOnUse = createSessionOnUse(expressSession(settings, store), store);

  const middleware: RequestHandler = async (req, res, next) => {
    // express-session withholds a Secure cookie on a connection that is not TLS. Behind a proxy that
    // ends TLS none would ever be set; BASE_URL says what the browser sees.
    if (settings.secure) Object.defineProperty(req, 'secure', { value: true, configurable: true });
    if (Object.hasOwn(req, 'session')) {
      // Mounted twice is read once. Another session layer would be overwritten, or overwrite this.
      if (sessionOnUse.isGiven(req)) return next();
      throw new TypeError('auth.session is express-session itself: remove the other session()');
    }
    const cookie = readCookie(req);
    let stored: StoredSession | undefined;
    try {
      stored = cookie?.id && (await store.find(cookie.id));
    } catch (cause) {
      // Pages that need nobody go on; guards answer 503.
      req.sessionUnavailable = new SignInError('store_unavailable', { cause });
      return next();
    }
    sessionOnUse.give(req, res);
    if (stored) {
      req.storedSession = stored;
      recognize(req, stored, settings);
    }
    // A cookie that leads nowhere (old secret, ended session) is taken back with the attributes it
    // was set with; kept, it would be sent and looked up for ever.
    else if (cookie) res.clearCookie(name, attributes);
    return next();
  };

  function mustBeRead(req: Request): void {
    if (req.sessionUnavailable || sessionOnUse.isGiven(req)) return;
    throw new TypeError('app.use(auth.session) is missing, or stands behind what needs it');
  }

  return { middleware, mustBeRead };
}

function expressSession(settings: SessionSettings, store: SealedSessionStore): RequestHandler {
  const { name, options } = sessionCookie(settings);
  return session({
    name,
    store,
    secret: [...settings.secrets],
    cookie: options,
    // A request that changed nothing writes nothing: it could only write old data back.
    resave: false,
    saveUninitialized: false,
  });
}

/** Sets `req.user` if somebody is signed in here, with this application, and not for too long. */
function recognize(req: Request, stored: StoredSession, settings: SessionSettings): void {
  const { signedIn, grant, user } = stored;
  if (!signedIn || !grant || !user || !belongsHere(signedIn, settings)) return;
  const now = Date.now();
  const unusedMs = now - signedIn.lastSeenAt;
  const touchMs = touchAfterMs(settings.idleSeconds);
  // The store ends unused sessions by a column of its own; this one is sealed.
  if (now >= signedIn.endsAt || unusedMs > settings.idleSeconds * 1000 + touchMs) return;
  req.grant = grant;
  req.user = { ...user };
  if (unusedMs < touchMs) return;
  // The one write that use of a session causes, at most once a minute; express-session sends the
  // cookie again with it, so that its expiry moves along. Neither outlives the absolute end.
  const { session: open }: { session?: Request['session'] } = req;
  // express-session passes over what is no path, as in `OPTIONS *`.
  if (!open) return;
  open.cookie.maxAge = Math.min(settings.idleSeconds * 1000, signedIn.endsAt - now);
  open.signedIn = stored.signedIn = { ...signedIn, lastSeenAt: now };
}

/** Sets `req.user` and `req.grant` to what a sign-in or a refresh brought. */
export function recognizeAs(
  req: Request,
  { user }: SignedIn,
  grant: NonNullable<Request['grant']>,
): void {
  req.grant = grant;
  req.user = userWithin(user, grant);
}

function belongsHere({ user, clientId }: SignedIn, settings: SessionSettings): boolean {
  const { href } = settings.issuer;
  // Equal but for the slash that URL adds, as a rule; only otherwise is it worth parsing.
  const isSameText = href === user.issuer || href === `${user.issuer}/`;
  return clientId === settings.clientId && (isSameText || new URL(user.issuer).href === href);
}

/**
 * Ends this browser's session: nobody is signed in for the rest of this request either.
 * @throws SignInError `store_unavailable`, with the session and its cookie as they were
 */
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
  delete req.storedSession;
  res.clearCookie(name, attributes);
}
