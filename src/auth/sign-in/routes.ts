// The routes of a sign-in, in request order: GET /login sends the browser to AuthKit, GET /callback
// receives the authorization response. POST /logout is in sign-out.ts.
import { randomUUID } from 'node:crypto';
import { stringify, type ParsedUrlQueryInput } from 'node:querystring';
import { Router, urlencoded, type Request, type Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError, storeFailure } from '../errors.ts';
import { isDeclaredNonNavigation } from '../fetch-metadata.ts';
import { toSignInError } from '../openid-errors.ts';
import { beginSession, sessionOf } from '../session/session.ts';
import { revokeRefreshToken } from '../sign-out.ts';
import * as attempts from './attempts.ts';
import type { NotOpen, SignInAttempt } from './attempts.ts';
import { sameOriginPath } from './return-to.ts';
import { redeemCode, buildAuthorizationRequest } from './strategy.ts';
import { completeSignIn, type User } from './user.ts';

const ATTEMPT_LEASE_MS = 600_000;

/**
 * GET /login and GET /callback, which respond with redirects.
 * @throws SignInError to your error handler, with the page to return to in `returnTo` where known
 */
export function signInRoutes(context: Context): Router {
  const { login, callback } = context.paths;
  const router = Router();
  router.use([login, callback], (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  router.get(login, (req, res) => startSignIn(context, req, res));
  // A third party may also post (OpenID Connect Core §4), without the cookies of this site: the
  // browser comes again by GET. What other fields hold, such as a password, must not get into a URL.
  const fields = ['iss', 'login_hint', 'target_link_uri', ...context.loginParameters];
  router.post(login, urlencoded({ extended: false, limit: '4kb' }), (req, res) => {
    const sent = Object.entries(Object(req.body) as ParsedUrlQueryInput);
    const query = Object.fromEntries(sent.filter(([name]) => fields.includes(name)));
    res.redirect(303, `${login}?${stringify(query)}`);
  });

  // HEAD (link checkers, mail scanners) must not spend the code.
  router.head(callback, (_req, res) => void res.status(200).end());
  router.get(callback, (req, res) => finishSignIn(context, req, res));
  router.all(callback, (_req, res, next) => {
    res.set('Allow', 'GET, HEAD');
    next(new SignInError('method_not_allowed'));
  });
  return router;
}

async function startSignIn(context: Context, req: Request, res: Response): Promise<void> {
  // HEAD, prefetches, images and frames must not start a sign-in. Any site can point one here, and
  // the pending attempts would push out a real one.
  if (req.method === 'HEAD' || isDeclaredNonNavigation(req)) return void res.status(204).end();
  const returnTo = sameOriginPath(targetOf(context, req), context.authPaths);
  try {
    const { config, metadata } = await context.issuer.whenDiscovered();
    const { iss } = req.query;
    // Another issuer's user must not end up in an account at ours (OpenID Connect Core §4).
    if (iss !== undefined && iss !== metadata.issuer) throw new SignInError('foreign_issuer');
    const { location, ...sent } = await buildAuthorizationRequest(context, config, req);
    attempts.save(context, req, res, { ...sent, returnTo, startedAt: Date.now() });
    // Not res.redirect: it would also write a page, which no one sees.
    res.status(302).location(location).end();
    // A link may contain a secret: the log gets no query, and no long path segment with a digit.
    const [path = '/'] = returnTo.split(/[?#]/);
    const attempt = attempts.idOf(sent.state);
    const shown = path.replaceAll(/(?=[^/]*\d)[^/]{16,}/g, '…');
    context.onEvent({ event: 'sign_in_started', attempt, returnTo: shown });
  } catch (cause) {
    throw toSignInError(cause, returnTo);
  }
}

/** The page to return to: ours, or one that a third party named (OpenID Connect Core §4). */
function targetOf({ baseUrl }: Context, { query }: Request): unknown {
  const { return_to: returnTo, target_link_uri: target } = query;
  if (returnTo !== undefined || typeof target !== 'string') return returnTo;
  return target.startsWith(`${baseUrl.origin}/`) ? target.slice(baseUrl.origin.length) : '/';
}

async function finishSignIn(context: Context, req: Request, res: Response): Promise<void> {
  const { unavailable } = sessionOf(context, req);
  const found = attempts.find(context, req);
  if (found.status !== 'open') return continueOrRefuse(context, req, res, found);
  if (unavailable) throw unavailable;
  const { id, attempt } = found;
  const { records, onEvent } = context;
  // `state` is for one-time use (RFC 9700 §2.1), across all instances: while this lease is held, a
  // lock in the store that expires by itself, a second request with the same response is refused.
  // After a success the lease is not released.
  const [lease, owner] = [`attempt:${id}`, randomUUID()];
  if (!(await records.acquireLease(lease, owner, ATTEMPT_LEASE_MS).catch(storeFailure))) {
    const { returnTo } = attempt;
    return continueOrRefuse(context, req, res, { status: 'attempt_used', returnTo });
  }
  try {
    const { sub, orgId } = (await signIn(context, req, res, attempt)).user;
    attempts.finish(context, res, attempt);
    // Redirect at once: a URL with a code must not stay in the address bar (RFC 9700 §4.3.1).
    res.status(303).location(attempt.returnTo).end();
    onEvent({ event: 'sign_in_completed', attempt: id, sub, orgId });
  } catch (cause) {
    // The attempt stays open: a forged or mangled response must not use up what the real one needs.
    await records.releaseLease(lease, owner).catch(() => undefined);
    const error = withHint(context, toSignInError(cause, attempt.returnTo));
    const { code, hint } = error;
    onEvent({ event: 'sign_in_failed', attempt: id, code, hint }, error);
    throw error;
  }
}

/** Redeems the code and begins the session. */
async function signIn(context: Context, req: Request, res: Response, attempt: SignInAttempt) {
  const discovered = await context.issuer.whenDiscovered();
  const response = await redeemCode(context, discovered.config, req, res, attempt);
  const completed = await completeSignIn(context, discovered, response);
  try {
    const label = await callHooks(context, req, completed.user);
    // A sign-in that replaces a session, such as a switch of organization, revokes the old grant.
    const { stored, current } = sessionOf(context, req);
    const previous = current && stored && (await context.store.readTokens(stored));
    await beginSession(context, req, res, { ...completed, label });
    if (previous) void revokeRefreshToken(context, previous.tokens);
    return completed;
  } catch (error) {
    // No session: revoke the grant, which nothing would ever use.
    void revokeRefreshToken(context, completed.tokens);
    throw error;
  }
}

/** Calls your hooks. If one throws, the sign-in fails; a SignInError keeps its code. */
async function callHooks({ onSignIn, labelSession }: Context, req: Request, user: User) {
  try {
    await onSignIn(user);
    return labelSession(req);
  } catch (cause) {
    throw cause instanceof SignInError ? cause : new SignInError('on_sign_in_failed', { cause });
  }
}

/**
 * Handles a late, repeated or foreign response. A user who is already signed in (second tab, back
 * button) continues to the page they wanted; otherwise the response is refused.
 */
function continueOrRefuse({ onEvent }: Context, req: Request, res: Response, found: NotOpen) {
  const returnTo = 'returnTo' in found ? found.returnTo : undefined;
  const user = req.authSession?.current?.user;
  if (!user) throw new SignInError(found.status, { returnTo });
  onEvent({ event: 'sign_in_continued', code: found.status, sub: user.sub });
  res.redirect(303, returnTo ?? '/');
}

/** Adds how far this server's clock is from AuthKit's Date header, or how it authenticated. */
function withHint({ issuer }: Context, error: SignInError) {
  const { code, cause, returnTo } = error;
  const { clockSkewSeconds: skew, discovered } = issuer;
  if (code === 'client_refused') {
    const hint = `This application authenticated by ${discovered?.authenticatedBy}.`;
    return new SignInError(code, { cause, returnTo, hint });
  }
  if (code !== 'clock_skew' || Math.abs(skew) < 2) return error;
  const direction = skew > 0 ? 'ahead of' : 'behind';
  const hint = `This server’s clock is ${Math.abs(skew)} seconds ${direction} AuthKit’s.`;
  return new SignInError(code, { cause, returnTo, hint });
}
