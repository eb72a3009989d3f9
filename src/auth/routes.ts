// The routes of a sign-in, in the order they happen: GET /login sends the browser to AuthKit,
// GET /callback is where it comes back to. POST /logout is in sign-out.ts.
import { randomUUID } from 'node:crypto';
import { Router, type Request, type Response } from 'express';
import type { Attempts, FoundAttempt, SignInAttempt } from './attempts.ts';
import { readAuthorizationResponse } from './authorization-response.ts';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { storeFailure, toSignInError } from './failure.ts';
import { isPrefetch } from './guards.ts';
import type { SessionRecords } from './records.ts';
import { sameOriginPath } from './return-to.ts';
import type { Session } from './session.ts';
import type { SignInSteps } from './sign-in.ts';
import type { User } from './user.ts';

const ATTEMPT_CLAIM_MS = 600_000;

export interface SignInRouteParts {
  steps: SignInSteps;
  attempts: Attempts;
  records: SessionRecords;
  /** Called before a session is replaced; the function it resolves to gives its tokens back. */
  takeOver: (req: Request) => Promise<() => void>;
  mustBeRead: Session['mustBeRead'];
  /** Called with each user before the session begins; a rejection refuses the sign-in. */
  onSignIn: (user: User) => Promise<void> | void;
  onEvent: SignInEventListener;
}

/**
 * GET /login and GET /callback, which answer with redirects.
 * @throws SignInError to the host's error handler, with the way back in `returnTo` where it is known
 */
export function createSignInRoutes(parts: SignInRouteParts): Router {
  const { steps, attempts, onEvent } = parts;
  const router = Router();
  router.use(['/login', '/callback'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  router.get('/login', async (req, res) => {
    // What only looks ahead must not leave a pending sign-in behind.
    if (req.method === 'HEAD' || isPrefetch(req)) return void res.status(204).end();
    const returnTo = sameOriginPath(req.query['return_to']);
    const prompt = req.query['prompt'] === 'login' ? 'login' : undefined;
    const attempt = await steps.start(req, res, returnTo, prompt).catch((cause: unknown) => {
      throw toSignInError(cause, returnTo);
    });
    // Without the query: a link may bring somebody's secret along in it.
    const [path = '/'] = returnTo.split(/[?#]/);
    return onEvent({ event: 'sign_in_started', attempt, returnTo: path });
  });

  // HEAD (link checkers, mail scanners) must not spend the code.
  router.head('/callback', (_req, res) => void res.status(200).end());

  router.get('/callback', steps.initialize, async (req, res) => {
    parts.mustBeRead(req);
    const answer = readAuthorizationResponse(req);
    const found = answer
      ? attempts.find(req, answer.state)
      : { status: 'callback_invalid' as const };
    if (found.status !== 'open') return continueOrRefuse(req, res, found, onEvent);
    if (req.sessionUnavailable) throw req.sessionUnavailable;
    return complete(req, res, found.id, found.attempt, parts);
  });

  router.all('/callback', (_req, res, next) => {
    res.set('Allow', 'GET, HEAD');
    next(new SignInError('method_not_allowed'));
  });
  return router;
}

/**
 * A late, repeated or foreign answer. Who is signed in already (a second tab, the back button) just
 * goes on to where they wanted; everybody else is told what it was.
 */
function continueOrRefuse(
  req: Request,
  res: Response,
  found: Exclude<FoundAttempt, { status: 'open' }> | { status: 'callback_invalid' },
  onEvent: SignInEventListener,
): void {
  const returnTo = 'returnTo' in found ? found.returnTo : undefined;
  if (!req.user) throw new SignInError(found.status, returnTo !== undefined ? { returnTo } : {});
  onEvent({ event: 'sign_in_continued', code: found.status, sub: req.user.sub });
  res.redirect(303, returnTo ?? '/');
}

async function complete(
  req: Request,
  res: Response,
  id: string,
  attempt: SignInAttempt,
  { steps, attempts, records, takeOver, onSignIn, onEvent }: SignInRouteParts,
): Promise<void> {
  // An answer is for one use (RFC 9700 §4.7.1), on every instance: while this lease is held, and it
  // is kept after a success, a second request with the same answer is refused.
  const [lease, owner] = [`attempt:${id}`, randomUUID()];
  if (!(await records.acquireLease(lease, owner, ATTEMPT_CLAIM_MS).catch(storeFailure))) {
    const { returnTo } = attempt;
    return continueOrRefuse(req, res, { status: 'attempt_used', returnTo }, onEvent);
  }
  try {
    const completed = await steps.finish(req, res, attempt);
    await (async () => onSignIn(completed.user))().catch(hostFailure);
    const giveBackPrevious = await takeOver(req);
    // Makes a new session id (session fixation, OWASP ASVS 5, 7.2.4) and saves before redirecting:
    // a browser that is faster than the store would arrive signed out.
    await steps.logIn(req, completed);
    giveBackPrevious();
    attempts.finish(res, attempt);
    const { sub, orgId } = completed.user;
    const organization = orgId !== undefined ? { orgId } : {};
    onEvent({ event: 'sign_in_completed', attempt: id, sub, ...organization });
    // 303: the browser must not treat the code's URL as the page (RFC 9700 §4.12).
    res.redirect(303, attempt.returnTo);
  } catch (cause) {
    // The attempt stays open: a forged or mangled answer must not burn the real one.
    await records.releaseLease(lease, owner).catch(() => undefined);
    const error = toSignInError(cause, attempt.returnTo);
    onEvent({ event: 'sign_in_failed', attempt: id, code: error.code }, error);
    throw error;
  }
}

/** Your database failed, or your code threw: the sign-in is refused, unless that was its purpose. */
function hostFailure(cause: unknown): never {
  throw cause instanceof SignInError ? cause : new SignInError('on_sign_in_failed', { cause });
}
