// What stands before a page: somebody is signed in, has a fresh access token, has an organization.
import type { Request, RequestHandler, Response } from 'express';
import { SignInError } from './errors.ts';
import type { Refresher } from './refresh.ts';
import { sameOriginPath } from './return-to.ts';
import { endSession, type Session } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import { isExpired } from './tokens.ts';
import type { User } from './user.ts';

export interface Guards {
  /**
   * Somebody is signed in; their token set is renewed if due and AuthKit can be reached.
   * @throws SignInError `store_unavailable`
   */
  requireLogin: RequestHandler;
  /**
   * As requireLogin, and the access token is not expired.
   * @throws SignInError `fresh_token_unavailable` while AuthKit cannot renew it
   */
  requireFreshToken: RequestHandler;
  /**
   * After requireLogin: the access token is bound to an organization.
   * @throws SignInError `organization_required`
   */
  requireOrganization: RequestHandler;
}

/**
 * The user behind `requireLogin`.
 * @throws SignInError `login_required` where the guard was forgotten
 */
export function currentUser(req: Request): User {
  if (!req.user) throw new SignInError('login_required');
  return req.user;
}

/** What each does, and which SignInError it rejects with, is told at its name in `Guards`. */
export function createGuards(
  settings: SessionSettings,
  refresher: Refresher,
  mustBeRead: Session['mustBeRead'],
): Guards {
  /** Whether somebody is signed in. If not, the request is answered. */
  async function isSignedIn(req: Request, res: Response): Promise<boolean> {
    mustBeRead(req);
    if (req.sessionUnavailable) throw req.sessionUnavailable;
    const result = req.user ? await refresher.refreshIfDue(req) : 'nobody';
    if (result === 'ended') await endSession(req, res, settings);
    if (result === 'ended' || result === 'nobody') {
      askToSignIn(req, res);
      return false;
    }
    if (result !== 'fresh') {
      if (result.code === 'store_unavailable') throw result;
      req.authKitUnreachable = result;
    }
    return true;
  }

  return {
    async requireLogin(req, res, next) {
      if (await isSignedIn(req, res)) next();
    },

    async requireFreshToken(req, res, next) {
      if (!(await isSignedIn(req, res))) return;
      if (!req.grant || !isExpired(req.grant)) return next();
      // Without a refresh token only a new sign-in brings a new access token.
      if (!req.grant.renewable) return askToSignIn(req, res);
      const { authKitUnreachable: cause } = req;
      const wait = cause?.retryAfter !== undefined ? { retryAfter: cause.retryAfter } : {};
      throw new SignInError('fresh_token_unavailable', { cause, ...wait });
    },

    requireOrganization(req, _res, next) {
      next(
        currentUser(req).orgId === undefined ? new SignInError('organization_required') : undefined,
      );
    },
  };
}

/**
 * A page navigation is sent to sign in and comes back here. A fetch is told: followed by script, a
 * redirect to another origin ends as an opaque error, and each would leave a pending sign-in behind.
 */
export function askToSignIn(req: Request, res: Response): void {
  res.set('Cache-Control', 'no-store').vary('Sec-Fetch-Mode').vary('Accept');
  const login = `/login?return_to=${encodeURIComponent(pageToComeBackTo(req))}`;
  if (isNavigation(req)) {
    // 303 after a POST, so that the browser does not send the form to /login (RFC 9700 §4.12).
    res.redirect(req.method === 'GET' || req.method === 'HEAD' ? 302 : 303, login);
    return;
  }
  const { code, status, message } = new SignInError('login_required');
  res.status(status).json({ error: code, message, login });
}

/** Whether a browser wants to show the answer as a page, and not a script, prefetch or frame. */
export function isNavigation(req: Request): boolean {
  if (isPrefetch(req)) return false;
  const mode = req.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  // Browsers without Sec-Fetch ask for HTML by name when they navigate, scripts for */* or JSON.
  return req.get('accept')?.includes('text/html') === true;
}

/** Whether the browser only fetches ahead of a click that may never come. */
export function isPrefetch(req: Request): boolean {
  return /prefetch|prerender/.test(req.get('sec-purpose') ?? req.get('purpose') ?? '');
}

function pageToComeBackTo(req: Request): string {
  if (req.method === 'GET' || req.method === 'HEAD') return sameOriginPath(req.originalUrl);
  // A form cannot be sent again; the page it was on can be shown again.
  const referer = req.get('referer') ?? '';
  return URL.canParse(referer) ? sameOriginPath(new URL(referer).pathname) : '/';
}
