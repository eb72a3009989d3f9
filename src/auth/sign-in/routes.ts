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
import {
  attemptId,
  findAttempt,
  finishAttempt,
  keepAttempt,
  type FoundAttempt,
  type SignInAttempt,
} from './attempts.ts';
import { sameOriginPath } from './return-to.ts';
import { redeemCode, buildAuthorizationRequest } from './strategy.ts';
import { completeSignIn, type CompletedSignIn, type User } from './user.ts';

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
    const { verifyingConfig } = await context.issuer.config();
    const prompt = req.query['prompt'] === 'login' ? 'login' : undefined;
    const { location, ...sent } = await buildAuthorizationRequest(
      context,
      verifyingConfig,
      req,
      prompt,
    );
    keepAttempt(context, req, res, { ...sent, returnTo, startedAt: Date.now() });
    res.redirect(302, location);
    // Without the query: a link may bring somebody's secret along in it.
    const [path = '/'] = returnTo.split(/[?#]/);
    const attempt = attemptId(sent.state);
    context.onEvent({ event: 'sign_in_started', attempt, returnTo: path });
  } catch (cause) {
    throw toSignInError(cause, returnTo);
  }
}

async function finishSignIn(context: Context, req: Request, res: Response): Promise<void> {
  const { unavailable } = sessionOf(context, req);
  const found = findAttempt(context, req);
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
    finishAttempt(context, res, attempt);
    onEvent({ event: 'sign_in_completed', attempt: id, sub, orgId });
    // 303: the browser must not treat the code's URL as the page (RFC 9700 §4.12).
    res.redirect(303, attempt.returnTo);
  } catch (cause) {
    // The attempt stays open: a forged or mangled response must not burn the real one.
    await records.releaseLease(lease, owner).catch(() => undefined);
    const error = withClockHint(context, toSignInError(cause, attempt.returnTo));
    onEvent({ event: 'sign_in_failed', attempt: id, code: error.code }, error);
    throw error;
  }
}

/** From the code to a session. */
async function signIn(
  context: Context,
  req: Request,
  res: Response,
  attempt: SignInAttempt,
): Promise<CompletedSignIn> {
  const { verifyingConfig, refreshConfig } = await context.issuer.config();
  const response = await redeemCode(context, verifyingConfig, req, res, attempt);
  const completed = await completeSignIn(verifyingConfig, response, context.scope);
  await callHost(context, completed.user);
  // A sign-in over an existing session, such as a switch of organization, leaves no grant behind.
  const { stored, current } = sessionOf(context, req);
  const previous = current && stored && (await context.store.readTokens(stored));
  await beginSession(context, req, res, completed);
  if (previous) void revokeRefreshToken(refreshConfig, previous.tokens, context.onEvent);
  return completed;
}

/** Your database failed, or your code threw: the sign-in is refused, unless that was its purpose. */
async function callHost({ onSignIn }: Context, user: User): Promise<void> {
  try {
    await onSignIn(user);
  } catch (cause) {
    throw cause instanceof SignInError ? cause : new SignInError('on_sign_in_failed', { cause });
  }
}

/**
 * A late, repeated or foreign response. Who is signed in already (a second tab, the back button) just
 * goes on to where they wanted; everybody else is told what it was.
 */
function continueOrRefuse(
  { onEvent }: Context,
  req: Request,
  res: Response,
  found: Exclude<FoundAttempt, { status: 'open' }>,
): void {
  const returnTo = 'returnTo' in found ? found.returnTo : undefined;
  const user = req.authSession?.current?.user;
  if (!user) throw new SignInError(found.status, { returnTo });
  onEvent({ event: 'sign_in_continued', code: found.status, sub: user.sub });
  res.redirect(303, returnTo ?? '/');
}

/** Measured by the Date header; a wrong clock at AuthKit's end shows the same way. */
function withClockHint({ issuer }: Context, error: SignInError): SignInError {
  if (error.code !== 'clock_skew') return error;
  const seconds = Math.abs(issuer.clockSkewSeconds);
  const direction = issuer.clockSkewSeconds > 0 ? 'ahead of' : 'behind';
  const hint =
    seconds < 2
      ? 'AuthKit’s responses carry the same time as this server’s clock.'
      : `This server’s clock is ${seconds} seconds ${direction} AuthKit’s.`;
  const { cause, returnTo } = error;
  return new SignInError('clock_skew', { cause, returnTo, hint });
}
