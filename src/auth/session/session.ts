// Who is this request from? The cookie names a session, its record says who signed in. And how a
// session begins and ends. Sessions are for signed-in people; a visitor gets one only where the host
// puts something into `req.session`.
import type { Request, RequestHandler, Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError, storeFailure } from '../errors.ts';
import type { AuthSession, SignedInSession } from '../request.ts';
import type { SessionId } from './cookie.ts';
import type { CompletedSignIn, SignedIn, User } from '../sign-in/user.ts';
import { isExpired, type TokenFacts } from '../tokens/token-set.ts';
import { NEW_SIGN_IN, type SealedSessionStore, type StoredSession } from './sealed-store.ts';

/** Use of a session is noted once a minute, or ten times within a short idle limit. */
const noteAfterMs = (idleMs: number) => Math.min(60_000, idleMs / 10);

/** For every request: reads its session into `req.authSession`, and sets `req.user` for who signed in. */
export function readSession(context: Context): RequestHandler {
  return async (req, res, next) => {
    // Mounted twice, it reads once.
    if (req.authSession?.readBy === context) return next();
    const authSession: AuthSession = { readBy: context };
    req.authSession = authSession;
    const ids = context.cookie.read(req);
    if (ids.length === 0) return next();
    try {
      const stored = await findFirst(context.store, ids);
      if (stored) await recognize(context, req, res, stored);
    } catch (cause) {
      // Pages that need nobody go on; guards answer 503.
      authSession.unavailable = new SignInError('store_unavailable', { cause });
    }
    return next();
  };
}

/** A cookie whose session has ended is left to expire: a newer one may have taken its place meanwhile. */
async function findFirst(store: SealedSessionStore, ids: SessionId[]) {
  for (const id of ids) {
    const stored = await store.find(id);
    if (stored) return stored;
  }
  return undefined;
}

/**
 * What `auth.session` read for this request.
 * @throws TypeError where it was forgotten: every request would look anonymous, and sign-in loop forever
 */
export function sessionOf(context: Context, req: Request): AuthSession {
  if (req.authSession?.readBy === context) return req.authSession;
  throw new TypeError('app.use(auth.session) is missing, or stands behind what needs it');
}

/** Sets who is signed in if they are so here, with this application, and not for too long. */
async function recognize(context: Context, req: Request, res: Response, stored: StoredSession) {
  const { signedIn, facts, lastSeenAt } = stored;
  const { idleMs, records, cookie } = context;
  if (req.authSession) req.authSession.stored = stored;
  if (!signedIn || !facts || signedIn.clientId !== context.clientId) return;
  if (new URL(signedIn.user.issuer).href !== context.issuerUrl.href) return;
  const now = Date.now();
  const unusedMs = now - lastSeenAt;
  // The store ends unused sessions too, by the idle limit that was set when they were last used.
  if (now >= signedIn.endsAt || unusedMs > idleMs + noteAfterMs(idleMs)) return;
  // Asked for a refresh token and got none: AuthKit is never asked about this session again, so that it
  // would outlive a grant that has ended there. `offline_access` can be taken out in the address bar.
  if (context.asksOffline && !facts.renewable && isExpired(facts)) {
    await endSession(context, req, res);
    const { sub } = signedIn.user;
    return context.onEvent({ event: 'session_ended', sub, reason: 'not_renewable' });
  }
  setCurrent(req, currentFrom(signedIn, facts, lastSeenAt));
  if (unusedMs < noteAfterMs(idleMs)) return;
  // The one write that use of a session causes. Neither record nor cookie outlives the absolute end.
  const maxAgeMs = Math.min(idleMs, signedIn.endsAt - now);
  const isNoted = await records.touch(stored.key, now, now + maxAgeMs).catch((cause: unknown) => {
    context.onEvent({ event: 'session_touch_failed', sub: signedIn.user.sub }, cause);
  });
  // A store that is full or read-only signs nobody out: the session ends when its last use is too old.
  if (isNoted === undefined) return;
  if (!isNoted) return forget(context, req);
  setCurrent(req, currentFrom(signedIn, facts, now));
  cookie.renew(res, stored.sid, maxAgeMs);
}

/**
 * The session of the signed-in user, behind `requireLogin`.
 * @throws SignInError `login_required` where the guard was forgotten
 */
export function currentSession(req: Request): SignedInSession {
  const current = req.authSession?.current;
  if (current) return current;
  throw new SignInError('login_required');
}

/**
 * The signed-in user, behind `requireLogin`.
 * @throws SignInError `login_required` where the guard was forgotten
 */
export const currentUser = (req: Request): User => currentSession(req).user;

/** The user's organization is that of the access token: it may be another after each refresh. */
function currentFrom(signedIn: SignedIn, facts: TokenFacts, lastSeenAt: number): SignedInSession {
  const { orgId } = facts;
  const user = orgId === undefined ? { ...signedIn.user } : { ...signedIn.user, orgId };
  return { ...signedIn, user, facts, lastSeenAt };
}

/** Sets who is signed in; `undefined`: nobody. `req.user` follows, unless somebody else has set it. */
function setCurrent(req: Request, current: SignedInSession | undefined): void {
  const request: { authSession?: AuthSession; user?: unknown } = req;
  const { authSession } = request;
  if (!authSession) return;
  if (request.user === authSession.current?.user) request.user = current?.user;
  if (current) authSession.current = current;
  else delete authSession.current;
}

/** After a refresh: the facts of the new tokens, and the user with the organization in them. */
export function setFacts(req: Request, facts: TokenFacts): void {
  const { stored, current } = req.authSession ?? {};
  if (!stored?.signedIn || !current) return;
  setCurrent(req, currentFrom(stored.signedIn, facts, current.lastSeenAt));
}

/**
 * Begins the session of a completed sign-in in place of the one that the browser came with, token
 * record and all in one write. It is saved before any redirect: a browser that is faster than the
 * store would arrive signed out.
 * @throws SignInError `store_unavailable`; nobody is signed in then
 */
export async function beginSession(
  context: Context,
  req: Request,
  res: Response,
  { user, claims, tokens, facts, label }: CompletedSignIn & { label: string },
): Promise<void> {
  const hostData = hostDataFor(context, req, user);
  await endSession(context, req, res);
  const request = await withNewSession(context, req, res);
  const signedIn = signedInNow(context, user, claims);
  const newSignIn = { signedIn, tokens, facts, label };
  const { session } = request;
  Object.assign(session, hostData, { signedIn, [NEW_SIGN_IN]: newSignIn });
  session.cookie.maxAge = Math.min(context.idleMs, context.maxMs);
  try {
    await promised((done) => session.save(done));
  } catch (error) {
    // Without a session on its request, express-session sends no cookie.
    Object.assign(request, { session: undefined });
    throw error;
  }
  setCurrent(req, currentFrom(signedIn, facts, signedIn.startedAt));
}

/**
 * A request like `req` that has no session yet, for express-session to make one with a new id: it sees
 * no cookie (session fixation, OWASP ASVS 5, 7.2.4), and whatever session the host has on `req` stays
 * untouched.
 */
async function withNewSession({ expressSession, isSecure }: Context, req: Request, res: Response) {
  const own = { writable: true, configurable: true, value: undefined };
  const request = Object.create(req, {
    session: own,
    sessionID: own,
    sessionStore: own,
    cookies: own,
    signedCookies: own,
    secure: { value: isSecure },
    headers: { value: { ...req.headers, cookie: undefined } },
  }) as Request;
  await promised((done) => void expressSession(request, res, done));
  return request;
}

/** Whether `req.session` is of our store, and not another session layer's. */
export function hasOurSession(store: SealedSessionStore, req: Request): boolean {
  const { session: found, sessionStore }: { session?: unknown; sessionStore?: unknown } = req;
  return found !== undefined && sessionStore === store;
}

function signedInNow(
  { clientId, maxMs }: Context,
  { orgId: _followsTheToken, ...user }: User,
  claims: CompletedSignIn['claims'],
): SignedIn {
  const startedAt = Date.now();
  // What the user has already, and the nonce, which is spent, need no second place.
  const elsewhere = new Set(['nonce', 'iss', 'sub', 'name', 'email', 'email_verified']);
  const others = Object.entries(claims).filter(([name]) => !elsewhere.has(name));
  const endsAt = startedAt + maxMs;
  return { user, clientId, claims: Object.fromEntries(others), startedAt, endsAt };
}

/**
 * What the host kept in `req.session` and the new session takes over: a visitor's basket comes along,
 * and so does what the same person left. Of somebody else nothing does, not on a shared computer.
 */
function hostDataFor({ store }: Context, req: Request, { issuer, sub }: User): object {
  const { stored } = req.authSession ?? {};
  const previous = stored?.signedIn?.user;
  const isOther = previous && (previous.issuer !== issuer || previous.sub !== sub);
  if (isOther) return {};
  const data: object = hasOurSession(store, req)
    ? req.session
    : JSON.parse(stored?.hostData ?? '{}');
  const own = new Set(['cookie', 'signedIn']);
  return Object.fromEntries(Object.entries(data).filter(([name]) => !own.has(name)));
}

/**
 * Ends this browser's session: nobody is signed in for the rest of this request either.
 * @throws SignInError `store_unavailable`, with the session and its cookie as they were
 */
export async function endSession(context: Context, req: Request, res: Response): Promise<void> {
  const { stored } = sessionOf(context, req);
  if (stored) await promised((done) => context.store.destroy(stored.sid, done));
  forget(context, req);
  context.cookie.clear(res, stored?.sid);
}

function forget({ store }: Context, req: Request): void {
  setCurrent(req, undefined);
  delete req.authSession?.stored;
  // Else express-session, where the host has it on this request, would save it and send its cookie.
  if (hasOurSession(store, req)) Object.assign(req, { session: undefined });
}

/** express-session speaks callbacks. */
function promised(work: (done: (error?: unknown) => void) => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    work((error) => (error ? reject(error) : resolve()));
  }).catch(storeFailure);
}
