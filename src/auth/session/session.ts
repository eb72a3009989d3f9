// Reads, begins and ends sessions. The cookie names a session, and its record says who signed in.
// Sessions are for signed-in users; a visitor gets one only if your app puts something into
// `req.session`.
import type { Request, RequestHandler, Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError, storeFailure } from '../errors.ts';
import type { AuthSession, SignedInSession } from '../request.ts';
import type { SessionId } from './cookie.ts';
import type { CompletedSignIn, SignedIn, User } from '../sign-in/user.ts';
import { isExpired, isOutdated, type TokenFacts } from '../tokens/token-set.ts';
import { NEW_SIGN_IN, type SealedSessionStore, type StoredSession } from './sealed-store.ts';

/** How often use of a session is recorded: once a minute, more often if the idle time is short. */
const touchIntervalMs = (idleMs: number) => Math.min(60_000, idleMs / 10);

/** For every request: reads its session into `req.authSession` and sets `req.user`. */
export function readSession(context: Context): RequestHandler {
  return async (req, res, next) => {
    // Read once, even if mounted twice.
    if (req.authSession?.readBy === context) return next();
    const authSession: AuthSession = { readBy: context, setsReqUser: context.setsReqUser };
    req.authSession = authSession;
    const ids = context.cookie.read(req);
    if (ids.length === 0) return next();
    try {
      const stored = await findFirst(context.store, ids);
      if (stored) await acceptSession(context, req, res, stored);
    } catch (cause) {
      // Public pages still work; guards respond 503.
      authSession.unavailable = new SignInError('store_unavailable', { cause });
    }
    return next();
  };
}

/** Cookies of ended sessions are left to expire: a newer one may have replaced them meanwhile. */
async function findFirst(store: SealedSessionStore, ids: SessionId[]) {
  for (const id of ids) {
    const stored = await store.find(id);
    if (stored) return stored;
  }
  return undefined;
}

/**
 * What `auth.session` read for this request.
 * @throws TypeError without that middleware: every request would look anonymous, and sign-in would
 * loop forever
 */
export function sessionOf(context: Context, req: Request): AuthSession {
  if (req.authSession?.readBy === context) return req.authSession;
  throw new TypeError('app.use(auth.session) is missing, or is mounted after what needs it');
}

/** Sets the signed-in user if the session is of this application and issuer and has not ended. */
async function acceptSession(context: Context, req: Request, res: Response, stored: StoredSession) {
  const { idleMs, records, cookie } = context;
  if (req.authSession) req.authSession.stored = stored;
  const current = signedInSession(context, stored);
  if (!current) return;
  const { sub } = current.user;
  if (hasOutlivedGrant(context, current, stored)) {
    await endSession(context, req, res);
    return context.onEvent({ event: 'session_ended', sub, reason: 'not_renewable' });
  }
  setCurrent(req, current);
  const now = Date.now();
  if (now - current.lastSeenAt < touchIntervalMs(idleMs)) return;
  // The only write that using a session causes. Neither record nor cookie outlives `endsAt`.
  const maxAgeMs = Math.min(idleMs, current.endsAt - now);
  const isTouched = await records.touch(stored.key, now, now + maxAgeMs).catch((cause: unknown) => {
    context.onEvent({ event: 'session_touch_failed', sub }, cause);
  });
  // A full or read-only store signs no user out; the session ends by its last recorded use.
  if (isTouched === undefined) return;
  if (!isTouched) return clearSession(context, req);
  setCurrent(req, { ...current, lastSeenAt: now });
  cookie.renew(res, stored.sid, maxAgeMs);
}

/** The session if it is of this application and issuer and has not ended. */
function signedInSession(context: Context, { signedIn, facts, lastSeenAt }: StoredSession) {
  const { clientId, issuerUrl, idleMs } = context;
  if (!signedIn || !facts || signedIn.clientId !== clientId) return undefined;
  if (!isSameUrl(signedIn.user.issuer, issuerUrl.href)) return undefined;
  // The store ends unused sessions too, but does not know of an idle time that was shortened since.
  const endsAt = Math.min(signedIn.endsAt, lastSeenAt + idleMs + touchIntervalMs(idleMs));
  return Date.now() < endsAt ? currentFrom(signedIn, facts, lastSeenAt) : undefined;
}

// For every request: the two usual spellings of an issuer need no parsing.
const isSameUrl = (text: string, href: string) =>
  text === href || `${text}/` === href || new URL(text).href === href;

/**
 * Whether the session could outlive its grant, since AuthKit cannot be asked about it: a refresh token
 * was requested but not granted, and the access token has expired, or there was news about the user.
 * Anyone can remove `offline_access` in the address bar.
 */
function hasOutlivedGrant(context: Context, { facts }: SignedInSession, stored: StoredSession) {
  const { requestsOffline } = context;
  if (facts.renewable) return false;
  return (requestsOffline && isExpired(facts)) || isOutdated(facts, stored.recheckAt);
}

/**
 * The session that one of these ids names, if it lasts, without any note of its use.
 * @throws SignInError `store_unavailable`
 */
export async function peekSession(context: Context, ids: SessionId[]) {
  const stored = await findFirst(context.store, ids).catch(storeFailure);
  const current = stored && signedInSession(context, stored);
  if (!current || hasOutlivedGrant(context, current, stored)) return undefined;
  return { readBy: context, setsReqUser: false, stored, current };
}

/**
 * The session of the signed-in user; for use behind `requireLogin`.
 * @throws SignInError `login_required` without that guard
 */
export function currentSession(req: Request): SignedInSession {
  const current = req.authSession?.current;
  if (current) return current;
  throw new SignInError('login_required');
}

/**
 * The signed-in user; for use behind `requireLogin`.
 * @throws SignInError `login_required` without that guard
 */
export const currentUser = (req: Request): User => currentSession(req).user;

/** The user's organization comes from the access token, so each refresh may change it. */
function currentFrom(signedIn: SignedIn, facts: TokenFacts, lastSeenAt: number): SignedInSession {
  const { orgId } = facts;
  const user = orgId === undefined ? { ...signedIn.user } : { ...signedIn.user, orgId };
  return { ...signedIn, user, facts, lastSeenAt };
}

type WithSession = Pick<Request, 'authSession'>;

/** Sets or clears the signed-in user. `req.user` follows unless other code has set it. */
function setCurrent(req: WithSession, current: SignedInSession | undefined): void {
  const request: { authSession?: AuthSession; user?: unknown } = req;
  const { authSession } = request;
  if (!authSession) return;
  const isOurs = request.user === authSession.current?.user;
  if (authSession.setsReqUser && isOurs) request.user = current?.user;
  if (current) authSession.current = current;
  else delete authSession.current;
}

/** After a refresh: sets the facts of the new tokens, and the user's organization from them. */
export function setFacts(req: WithSession, facts: TokenFacts): void {
  const { stored, current } = req.authSession ?? {};
  if (!stored?.signedIn || !current) return;
  setCurrent(req, currentFrom(stored.signedIn, facts, current.lastSeenAt));
}

/**
 * Begins the session of a completed sign-in, in place of the one that the browser had. One write
 * saves it with its token record, before any redirect: a browser faster than the store would arrive
 * signed out.
 * @throws SignInError `store_unavailable`; no user is signed in then
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
  const signedIn = newSignedIn(context, user, claims);
  const newSignIn = { signedIn, tokens, facts, label };
  Object.assign(request.session, hostData, { signedIn, [NEW_SIGN_IN]: newSignIn });
  request.session.cookie.maxAge = Math.min(context.idleMs, context.maxMs);
  try {
    await fromCallback((done) => request.session.save(done));
  } catch (error) {
    // Without a session on its request, express-session sends no cookie.
    Object.assign(request, { session: undefined });
    throw error;
  }
  setCurrent(req, currentFrom(signedIn, facts, signedIn.startedAt));
}

/**
 * A request derived from `req`, on which express-session creates a session with a new id: it sees
 * no cookie (session fixation, OWASP ASVS 5, 7.2.4), and any session that your app has on `req`
 * stays untouched.
 */
async function withNewSession({ expressSession, isSecure }: Context, req: Request, res: Response) {
  const unset = { writable: true, configurable: true, value: undefined };
  const request = Object.create(req, {
    session: unset,
    sessionID: unset,
    sessionStore: unset,
    cookies: unset,
    signedCookies: unset,
    secure: { value: isSecure },
    headers: { value: { ...req.headers, cookie: undefined } },
  }) as Request;
  await fromCallback((done) => void expressSession(request, res, done));
  return request;
}

/** Whether `req.session` comes from our store, not from another session layer. */
export function hasOurSession(store: SealedSessionStore, req: Request): boolean {
  const { session: found, sessionStore }: { session?: unknown; sessionStore?: unknown } = req;
  return found !== undefined && sessionStore === store;
}

function newSignedIn(
  { clientId, maxMs }: Context,
  { orgId: _fromToken, ...user }: User,
  claims: CompletedSignIn['claims'],
): SignedIn {
  const startedAt = Date.now();
  // The nonce has been used, and `user` has the others.
  const elsewhere = new Set(['nonce', 'iss', 'sub', 'name', 'email', 'email_verified']);
  const others = Object.entries(claims).filter(([name]) => !elsewhere.has(name));
  const endsAt = startedAt + maxMs;
  return { user, clientId, claims: Object.fromEntries(others), startedAt, endsAt };
}

/**
 * What your app kept in `req.session` and the new session takes over: a visitor's basket, or what
 * the same user left. Another user's data is dropped, because a computer may be shared.
 */
function hostDataFor({ store }: Context, req: Request, { issuer, sub }: User): object {
  const { stored } = req.authSession ?? {};
  const previous = stored?.signedIn?.user;
  if (previous && (previous.issuer !== issuer || previous.sub !== sub)) return {};
  const kept: object = JSON.parse(stored?.hostData ?? '{}');
  const data = hasOurSession(store, req) ? req.session : kept;
  const ours = new Set(['cookie', 'signedIn']);
  return Object.fromEntries(Object.entries(data).filter(([name]) => !ours.has(name)));
}

/**
 * Ends this browser's session; no user is signed in for the rest of this request either.
 * @throws SignInError `store_unavailable`; the session and its cookie then stay as they were
 */
export async function endSession(context: Context, req: Request, res: Response): Promise<void> {
  const { stored } = sessionOf(context, req);
  if (stored) await fromCallback((done) => context.store.destroy(stored.sid, done));
  clearSession(context, req);
  context.cookie.clear(res, stored?.sid);
}

function clearSession({ store }: Context, req: Request): void {
  setCurrent(req, undefined);
  delete req.authSession?.stored;
  // Otherwise express-session, if mounted, would save the session again and send its cookie.
  if (hasOurSession(store, req)) Object.assign(req, { session: undefined });
}

/** express-session uses callbacks. */
function fromCallback(work: (done: (error?: unknown) => void) => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    work((error) => (error ? reject(error) : resolve()));
  }).catch(storeFailure);
}
