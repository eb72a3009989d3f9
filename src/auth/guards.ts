// Route guards: the user is signed in, has a fresh access token, has an organization, has an active
// grant. A grant is what the user allowed this app at AuthKit: it begins with a sign-in, its refresh
// token stands for it, and AuthKit can end it. Guards trust only what `auth.session` has read.
import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { LRUCache } from 'lru-cache';
import type { Context } from './context.ts';
import { SignInError } from './errors.ts';
import { isNavigation } from './fetch-metadata.ts';
import { isForeign } from './forms.ts';
import type { SignedInSession } from './request.ts';
import type { SessionId } from './session/cookie.ts';
import { currentSession, endSession, peekSession, sessionOf } from './session/session.ts';
import { sameOriginPath } from './sign-in/return-to.ts';
import type { User } from './sign-in/user.ts';
import { isGrantActive } from './tokens/active-grant.ts';
import type { Refresher } from './tokens/refresh.ts';
import { isExpired, isOutdated } from './tokens/token-set.ts';

const MAX_STALE_AUTHORITY_MS = 300_000;

/**
 * Returns the signed-in session, with its token set refreshed if due and AuthKit can be reached. If
 * no user is signed in, sends the response and returns undefined.
 * @throws SignInError `store_unavailable`; `fresh_token_unavailable` after `staleSeconds`
 */
async function ensureSignedIn(context: Context, refresher: Refresher, req: Request, res: Response) {
  const session = sessionOf(context, req);
  if (session.unavailable) throw session.unavailable;
  if (session.current) {
    // 'fresh', 'ended', or the error of a failed refresh, with which the page may still open.
    const result = await refresher.refreshIfDue(req);
    if (result === 'ended') await endSession(context, req, res);
    else if (result !== 'fresh') {
      if (result.code === 'store_unavailable') throw result;
      session.current.refreshFailed = result;
    }
  }
  const { current } = session;
  if (!current) askToSignIn(context, req, res);
  else if (current.facts.renewable && Date.now() > current.facts.expiresAt + context.staleMs)
    throw freshTokenUnavailable(current);
  return current;
}

/**
 * Lets signed-in users through.
 * @throws SignInError `store_unavailable`; `fresh_token_unavailable` after `staleSeconds`
 */
export function requireLogin(context: Context, refresher: Refresher): RequestHandler {
  return async (req, res, next) => {
    if (await ensureSignedIn(context, refresher, req, res)) next();
  };
}

/**
 * Like requireLogin, and requires an access token that has not expired.
 * @throws SignInError `fresh_token_unavailable` while AuthKit cannot refresh it
 */
export function requireFreshToken(context: Context, refresher: Refresher): RequestHandler {
  return async (req, res, next) => {
    const current = await ensureSignedIn(context, refresher, req, res);
    if (!current) return;
    const { facts } = current;
    if (!isExpired(facts)) return next();
    // Without a refresh token, only a new sign-in gets a new access token.
    if (!facts.renewable) return askToSignIn(context, req, res);
    throw freshTokenUnavailable(current);
  };
}

const freshTokenUnavailable = ({ refreshFailed: cause }: SignedInSession) =>
  new SignInError('fresh_token_unavailable', { cause, retryAfter: cause?.retryAfter });

/**
 * Mount after requireLogin: requires an access token that is bound to an organization and expired
 * at most five minutes ago. A user who was removed from an organization must not see it for longer.
 * @throws SignInError `organization_required`; `fresh_token_unavailable` while AuthKit cannot
 * refresh it
 */
export function requireOrganization(context: Context): RequestHandler {
  return (req, res, next) => {
    if (currentSession(req).user.orgId === undefined)
      throw new SignInError('organization_required');
    return letThroughIfRecent(context, req, res, next);
  };
}

function letThroughIfRecent(context: Context, req: Request, res: Response, next: NextFunction) {
  const current = currentSession(req);
  const { expiresAt, renewable } = current.facts;
  // News about which AuthKit could not be asked: the user may have been removed or demoted.
  const isInDoubt = isOutdated(current.facts, req.authSession?.stored?.recheckAt ?? 0);
  if (!isInDoubt && Date.now() <= expiresAt + MAX_STALE_AUTHORITY_MS) return next();
  if (!renewable) return askToSignIn(context, req, res);
  throw freshTokenUnavailable(current);
}

/**
 * Mount after requireLogin: requires a permission, which AuthKit lists among the scopes of the access
 * token or, by a JWT template, in its `permissions`. Each refresh brings the current ones: the token
 * must be as recent as for requireOrganization.
 * @throws SignInError `permission_required`; `fresh_token_unavailable` while AuthKit cannot
 * refresh it
 */
export function requirePermission(context: Context, permission: string): RequestHandler {
  return (req, res, next) => {
    const { facts } = currentSession(req);
    if (![...facts.scope, ...(facts.permissions ?? [])].includes(permission))
      throw new SignInError('permission_required');
    return letThroughIfRecent(context, req, res, next);
  };
}

/**
 * Mount after requireLogin: asks AuthKit whether the grant is active, unless it said so within the
 * last `cacheSeconds`.
 * An inactive grant ends the session. Without a response, the request is refused.
 * @throws SignInError `introspection_unavailable`, `issuer_unreachable` and the like
 */
export function requireActiveSession(context: Context, cacheSeconds: number): RequestHandler {
  if (!(cacheSeconds >= 0)) throw new RangeError(`cacheSeconds: ${cacheSeconds} is not a duration`);
  const active = new LRUCache<string, true, { stored: SessionId; user: User }>({
    max: 1_000,
    // lru-cache never expires entries with a ttl of 0.
    ttl: Math.max(1, cacheSeconds * 1000),
    // Concurrent requests share one introspection; only an active grant is cached.
    fetchMethod: async (_key, _stale, { context: { stored, user } }) =>
      (await isGrantActive(context, stored, user)) || undefined,
  });
  return async (req, res, next) => {
    const { unavailable, stored, current } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    // AuthKit calls an expired access token inactive, whatever the state of the grant.
    const isExpiredForGood = current && !current.facts.renewable && isExpired(current.facts);
    if (!stored || !current || isExpiredForGood) return askToSignIn(context, req, res);
    const { user } = current;
    // News about the user ends what was cached.
    const cacheKey = `${stored.key} ${stored.recheckAt}`;
    if (!(await active.fetch(cacheKey, { context: { stored, user } }))) {
      await endSession(context, req, res);
      context.onEvent({ event: 'session_ended', sub: user.sub, reason: 'grant_ended' });
      return askToSignIn(context, req, res);
    }
    return next();
  };
}

/**
 * For a connection that outlives its request: reads the session, now and whenever it is asked. It
 * does not count as use, since an open tab would otherwise keep its session forever.
 * @throws SignInError `login_required`; `cross_site_request`: no CORS check stops a page of another
 * origin from opening a WebSocket with the user's cookies; `store_unavailable`, as does `isAlive`
 */
export function watch(context: Context, refresher: Refresher) {
  const peek = async (ids: SessionId[]) => {
    const authSession = await peekSession(context, ids);
    if (!authSession) return undefined;
    const { current, stored } = authSession;
    if (!isOutdated(current.facts, stored.recheckAt)) return authSession;
    // After news about the user, AuthKit decides whether the session goes on, as for a page.
    return (await refresher.refreshIfDue({ authSession })) === 'ended' ? undefined : authSession;
  };
  return async (req: IncomingMessage) => {
    if (isForeign(req, context.baseUrl)) throw new SignInError('cross_site_request');
    const found = await peek(context.cookie.read(req));
    if (!found) throw new SignInError('login_required');
    const { stored, current } = found;
    const isAlive = async () => (await peek([stored])) !== undefined;
    return { ...current, key: stored.key, isAlive };
  };
}

/**
 * Redirects a page navigation to sign-in, which returns here. A fetch gets JSON instead: a script
 * that follows a redirect to another origin sees only an opaque error and leaves a pending sign-in
 * behind.
 */
function askToSignIn(context: Context, req: Request, res: Response): void {
  res.set('Cache-Control', 'no-store').vary('Sec-Fetch-Mode').vary('Accept');
  const login = `${context.paths.login}?return_to=${encodeURIComponent(pathToReturnTo(context, req))}`;
  if (isNavigation(req)) {
    // 303 after a POST: the browser must not send the form to /login (RFC 9110 §15.4.4).
    res.redirect(isSafe(req) ? 302 : 303, login);
    return;
  }
  const { code, status, message } = new SignInError('login_required');
  // No WWW-Authenticate: no HTTP authentication scheme describes a session cookie.
  res.status(status).json({ error: code, message, login });
}

const isSafe = ({ method }: Request) => method === 'GET' || method === 'HEAD';

function pathToReturnTo({ authPaths }: Context, req: Request): string {
  const referer = req.get('referer') ?? '';
  // A form post cannot be repeated and a script's URL is not a page: return to the referring page.
  if (isSafe(req) && (isNavigation(req) || referer === ''))
    return sameOriginPath(req.originalUrl, authPaths);
  return URL.canParse(referer) ? sameOriginPath(new URL(referer).pathname, authPaths) : '/';
}
