// What stands before a page: somebody is signed in, has a fresh access token, has an organization, has
// a grant that AuthKit still calls active. Guards believe only what `auth.session` has read.
import type { Request, RequestHandler, Response } from 'express';
import { LRUCache } from 'lru-cache';
import type { Context } from './context.ts';
import { SignInError } from './errors.ts';
import { isNavigation } from './fetch-metadata.ts';
import type { SignedInSession } from './request.ts';
import type { SessionId } from './session/cookie.ts';
import { currentSession, endSession, sessionOf } from './session/session.ts';
import { sameOriginPath } from './sign-in/return-to.ts';
import type { User } from './sign-in/user.ts';
import { isGrantActive } from './tokens/active-grant.ts';
import type { Refresher } from './tokens/refresh.ts';
import { isExpired } from './tokens/token-set.ts';

const LONGEST_ORGANIZATION_MS = 300_000;

/**
 * Whoever is signed in; their token set is renewed if it is due and AuthKit can be reached. Undefined:
 * nobody is, and the request is answered.
 * @throws SignInError `store_unavailable`
 */
async function signedIn(context: Context, refresher: Refresher, req: Request, res: Response) {
  const session = sessionOf(context, req);
  if (session.unavailable) throw session.unavailable;
  if (session.current) {
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

/** Lets signed-in people through. @throws SignInError `store_unavailable` */
export function requireLogin(context: Context, refresher: Refresher): RequestHandler {
  return async (req, res, next) => {
    if (await signedIn(context, refresher, req, res)) next();
  };
}

/**
 * As requireLogin, and the access token has not expired.
 * @throws SignInError `fresh_token_unavailable` while AuthKit cannot renew it
 */
export function requireFreshToken(context: Context, refresher: Refresher): RequestHandler {
  return async (req, res, next) => {
    const current = await signedIn(context, refresher, req, res);
    if (!current) return;
    const { facts } = current;
    if (!isExpired(facts)) return next();
    // Without a refresh token only a new sign-in brings a new access token.
    if (!facts.renewable) return askToSignIn(context, req, res);
    throw freshTokenUnavailable(current);
  };
}

const freshTokenUnavailable = ({ refreshFailed: cause }: SignedInSession) =>
  new SignInError('fresh_token_unavailable', { cause, retryAfter: cause?.retryAfter });

/**
 * After requireLogin: the access token is bound to an organization, and ended five minutes ago at the
 * most: whoever was taken out of one must not see it for longer.
 * @throws SignInError `organization_required`; `fresh_token_unavailable` while AuthKit cannot renew it
 */
export function requireOrganization(context: Context): RequestHandler {
  return (req, res, next) => {
    const { user, facts } = currentSession(req);
    if (user.orgId === undefined) throw new SignInError('organization_required');
    if (Date.now() <= facts.expiresAt + LONGEST_ORGANIZATION_MS) return next();
    if (!facts.renewable) return askToSignIn(context, req, res);
    throw freshTokenUnavailable(currentSession(req));
  };
}

/**
 * After requireLogin: AuthKit calls the grant active, asked at most every `cacheSeconds`. An inactive
 * grant ends the session; no response is no permission.
 * @throws SignInError `introspection_unavailable`, `issuer_unreachable` and the like
 */
export function requireActiveSession(context: Context, cacheSeconds: number): RequestHandler {
  if (!(cacheSeconds >= 0)) throw new RangeError(`cacheSeconds: ${cacheSeconds} is no time`);
  const active = new LRUCache<string, true, { stored: SessionId; user: User }>({
    max: 1_000,
    // To lru-cache, 0 is for ever.
    ttl: Math.max(1, cacheSeconds * 1000),
    // Requests that come together share one question, and only a yes is remembered.
    fetchMethod: async (_key, _stale, { context: { stored, user } }) =>
      (await isGrantActive(context, stored, user)) || undefined,
  });
  return async (req, res, next) => {
    const { unavailable, stored, current } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    // AuthKit calls an expired access token inactive, whatever the state of the grant.
    const isOver = current && !current.facts.renewable && isExpired(current.facts);
    if (!stored || !current || isOver) return askToSignIn(context, req, res);
    const { user } = current;
    if (!(await active.fetch(stored.key, { context: { stored, user } }))) {
      await endSession(context, req, res);
      context.onEvent({ event: 'session_ended', sub: user.sub, reason: 'grant_ended' });
      return askToSignIn(context, req, res);
    }
    return next();
  };
}

/**
 * A page navigation is sent to sign in and comes back here. A fetch is told: followed by script, a
 * redirect to another origin ends as an opaque error, and each would leave a pending sign-in behind.
 */
function askToSignIn(context: Context, req: Request, res: Response): void {
  res.set('Cache-Control', 'no-store').vary('Sec-Fetch-Mode').vary('Accept');
  const login = `${context.paths.login}?return_to=${encodeURIComponent(pageToComeBackTo(context, req))}`;
  if (isNavigation(req)) {
    // 303 after a POST, so that the browser does not send the form to /login (RFC 9700 §4.12).
    res.redirect(isRead(req) ? 302 : 303, login);
    return;
  }
  const { code, status, message } = new SignInError('login_required');
  res.status(status).json({ error: code, message, login });
}

const isRead = ({ method }: Request) => method === 'GET' || method === 'HEAD';

function pageToComeBackTo({ notPages }: Context, req: Request): string {
  const referer = req.get('referer') ?? '';
  // A form cannot be sent again, and what a script fetches is no page; the page they were on is.
  if (isRead(req) && (isNavigation(req) || referer === ''))
    return sameOriginPath(req.originalUrl, notPages);
  return URL.canParse(referer) ? sameOriginPath(new URL(referer).pathname, notPages) : '/';
}
