// The last middleware: every error becomes a page that says what happened and what to do, or JSON
// for a script. Code and reference id stand in the page and in the log alike.
import { randomBytes } from 'node:crypto';
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { isNavigation, sameOriginPath, SignInError } from './auth/index.ts';
import type { Log } from './log.ts';

interface Answer {
  status: number;
  code: string;
  heading: string;
  explanation: string;
  hint?: string | undefined;
  retryAfter?: number | undefined;
  action: { label: string; href: string } | null;
}

const HOME = { label: 'Go to the home page', href: '/' };

export const notFound: RequestHandler = (_req, _res, next) => next(new PageError(404));

/** A request that no page answers, or that is malformed. */
export class PageError extends Error {
  readonly status: number;

  constructor(status: number, cause?: unknown) {
    super(`HTTP ${status}`, { cause });
    this.name = 'PageError';
    this.status = status;
  }
}

export function errorPages(log: Log, production: boolean): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const reference = randomBytes(6).toString('base64url');
    const answer = describe(error, req);
    const line = { event: 'request_refused', reference, code: answer.code, status: answer.status };
    log[answer.status >= 500 ? 'error' : 'info']({ ...line, method: req.method, err: error });
    // Too late for a page: express-session reports a failed write after the answer went out.
    if (res.headersSent) return;

    res.status(answer.status).set('Cache-Control', 'no-store');
    if (answer.retryAfter !== undefined) res.set('Retry-After', String(answer.retryAfter));
    const { heading, explanation, code } = answer;
    if (!isNavigation(req) && !wantsPage(req)) {
      res.json({ error: code, message: heading, advice: explanation, reference });
      return;
    }
    res.render('error', {
      ...answer,
      reference,
      secondary: answer.action?.href === '/' || !answer.action ? null : HOME,
      developerHint: production ? null : (answer.hint ?? null),
    });
  };
}

/** Tools without Sec-Fetch headers that did not ask for JSON get the page too. */
const wantsPage = (req: Request) =>
  req.get('sec-fetch-mode') === undefined && req.accepts(['html', 'json']) === 'html';

function describe(error: unknown, req: Request): Answer {
  if (error instanceof SignInError) return describeSignIn(error, req);
  const status = error instanceof PageError ? error.status : statusOf(error);
  if (status === 404) {
    return {
      status,
      code: 'not_found',
      heading: 'This page does not exist',
      explanation: 'Check the address, or start from the home page.',
      action: HOME,
    };
  }
  if (status < 500) {
    return {
      status,
      code: 'request_invalid',
      heading: 'This request could not be understood',
      explanation: 'Go back and try again.',
      action: HOME,
    };
  }
  return {
    status: 500,
    code: 'internal_error',
    heading: 'Something went wrong on our side',
    explanation: 'It is in the log under the reference below. Try again in a moment.',
    action: HOME,
  };
}

function describeSignIn(error: SignInError, req: Request): Answer {
  const returnTo = error.returnTo ?? (req.method === 'GET' ? sameOriginPath(req.originalUrl) : '/');
  const again = { href: `/login?return_to=${encodeURIComponent(returnTo)}` };
  const base = {
    status: error.status,
    code: error.code,
    heading: error.message,
    explanation: error.advice,
    hint: error.hint,
    retryAfter: error.retryAfter,
  };
  switch (error.code) {
    case 'store_unavailable':
    case 'fresh_token_unavailable':
      return { ...base, action: { label: 'Try again', href: returnTo } };
    case 'organization_required':
      return { ...base, action: { ...again, label: 'Choose an organization' } };
    case 'introspection_unavailable':
    case 'cross_site_request':
      return { ...base, action: HOME };
    default:
      return { ...base, action: { ...again, label: 'Sign in again' } };
  }
}

/** body-parser, the router and others say what they mean by a status of 4xx. */
function statusOf(error: unknown): number {
  const { status } = error as { status?: unknown };
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}
