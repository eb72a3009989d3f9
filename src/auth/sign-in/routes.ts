// The routes of a sign-in, in the order they happen: GET /login sends the browser to AuthKit,
// GET /callback is where it comes back to. POST /logout is in sign-out.ts.
import { randomUUID } from 'node:crypto';
import { Router, type Request, type Response } from 'express';
import type { Context } from '../context.ts';
import { SignInError, storeFailure } from '../errors.ts';
import { isNoNavigation } from '../fetch-metadata.ts';
import { toSignInError } from '../openid-errors.ts';
import { beginSession, sessionOf } from '../session/session.ts';
import { revokeRefreshToken } from '../sign-out.ts';
import * as attempts from './attempts.ts';
import type { NotOpen, SignInAttempt } from './attempts.ts';
import { sameOriginPath } from './return-to.ts';
import { redeemCode, buildAuthorizationRequest } from './strategy.ts';
import { completeSignIn, type User } from './user.ts';

const ATTEMPT_CLAIM_MS = 600_000;

/**
 * GET /login and GET /callback, which answer with redirects.
 * @throws SignInError to the host's error handler, with the way back in `returnTo` where it is known
 */
export function signInRoutes(context: Context): Router {
  const { login, callback } = context.paths;
  const router = Router();
  router.use([login, callback], (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  router.get(login, (req, res) => startSignIn(context, req, res));

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
  // What is no navigation must not start a sign-in: it would stay pending, and push out a real one. A
  // page of anybody's can point an image or a frame here.
  if (req.method === 'HEAD' || isNoNavigation(req)) return void res.status(204).end();
  const returnTo = sameOriginPath(req.query['return_to'], context.notPages);
  try {
    const { config } = await context.issuer.config();
    const { location, ...sent } = await buildAuthorizationRequest(context, config, req);
    attempts.keep(context, req, res, { ...sent, returnTo, startedAt: Date.now() });
    res.redirect(302, location);
    // A link may bring somebody's secret along: the query is left out, and what is long in the path.
    const [path = '/'] = returnTo.split(/[?#]/);
    const [attempt, shown] = [
      attempts.idOf(sent.state),
      path.replaceAll(/(?=[^/]*\d)[^/]{16,}/g, '…'),
    ];
    context.onEvent({ event: 'sign_in_started', attempt, returnTo: shown });
  } catch (cause) {
    throw toSignInError(cause, returnTo);
  }
}

async function finishSignIn(context: Context, req: Request, res: Response): Promise<void> {
  const { unavailable } = sessionOf(context, req);
  const found = attempts.find(context, req);
  if (found.status !== 'open') return continueOrRefuse(context, req, res, found);
  if (unavailable) throw unavailable;
  const { id, attempt } = found;
  const { records, onEvent } = context;
  // A response is for one use (RFC 9700 §4.7.1), on every instance: while this lease is held, and it
  // is kept after a success, a second request with the same response is refused.
  const [lease, owner] = [`attempt:${id}`, randomUUID()];
  if (!(await records.acquireLease(lease, owner, ATTEMPT_CLAIM_MS).catch(storeFailure))) {
    const { returnTo } = attempt;
    return continueOrRefuse(context, req, res, { status: 'attempt_used', returnTo });
  }
  try {
    const { sub, orgId } = (await signIn(context, req, res, attempt)).user;
    attempts.finish(context, res, attempt);
    onEvent({ event: 'sign_in_completed', attempt: id, sub, orgId });
    // 303: the browser must not treat the code's URL as the page (RFC 9700 §4.12).
    res.redirect(303, attempt.returnTo);
  } catch (cause) {
    // The attempt stays open: a forged or mangled response must not burn the real one.
    await records.releaseLease(lease, owner).catch(() => undefined);
    const error = withClockHint(context, toSignInError(cause, attempt.returnTo));
    const { code, hint } = error;
    onEvent({ event: 'sign_in_failed', attempt: id, code, hint }, error);
    throw error;
  }
}

/** From the code to a session. */
async function signIn(context: Context, req: Request, res: Response, attempt: SignInAttempt) {
  const discovered = await context.issuer.config();
  const response = await redeemCode(context, discovered.config, req, res, attempt);
  const completed = await completeSignIn(context, discovered, response);
  try {
    const label = await callHost(context, req, completed.user);
    // A sign-in over an existing session, such as a switch of organization, leaves no grant behind.
    const { stored, current } = sessionOf(context, req);
    const previous = current && stored && (await context.store.readTokens(stored));
    await beginSession(context, req, res, { ...completed, label });
    if (previous) void revokeRefreshToken(context, previous.tokens);
    return completed;
  } catch (error) {
    // Nor does one that did not become a session.
    void revokeRefreshToken(context, completed.tokens);
    throw error;
  }
}

/** Your database failed, or your code threw: the sign-in is refused, unless that was its purpose. */
async function callHost({ onSignIn, labelSession }: Context, req: Request, user: User) {
  try {
    await onSignIn(user);
    return labelSession(req);
  } catch (cause) {
    throw cause instanceof SignInError ? cause : new SignInError('on_sign_in_failed', { cause });
  }
}

/**
 * A late, repeated or foreign response. Who is signed in already (a second tab, the back button) just
 * goes on to where they wanted; everybody else is told what it was.
 */
function continueOrRefuse({ onEvent }: Context, req: Request, res: Response, found: NotOpen) {
  const returnTo = 'returnTo' in found ? found.returnTo : undefined;
  const user = req.authSession?.current?.user;
  if (!user) throw new SignInError(found.status, { returnTo });
  onEvent({ event: 'sign_in_continued', code: found.status, sub: user.sub });
  res.redirect(303, returnTo ?? '/');
}

/** Measured by the Date header; a wrong clock at AuthKit's end shows the same way. */
function withClockHint({ issuer: { clockSkewSeconds: skew } }: Context, error: SignInError) {
  const { code, cause, returnTo } = error;
  if (code !== 'clock_skew' || Math.abs(skew) < 2) return error;
  const direction = skew > 0 ? 'ahead of' : 'behind';
  const hint = `This server’s clock is ${Math.abs(skew)} seconds ${direction} AuthKit’s.`;
  return new SignInError(code, { cause, returnTo, hint });
}
