// The last middleware turns every error into a page that says what happened and what to do, or into
// JSON for a script. The page and the log both show the code and a reference id.
import { randomBytes } from 'node:crypto';
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { isNavigation, sameOriginPath, SignInError } from '../auth/index.ts';
import { ADVICE } from './advice.ts';
import type { Log } from '../process/log.ts';

interface ErrorPage {
  status: number;
  code: string;
  heading: string;
  explanation: string;
  hint?: string | undefined;
  retryAfter?: number | undefined;
  action: { label: string; href: string } | null;
}

const HOME = { label: 'Go to the home page', href: '/' };

const PAGE_ERRORS = {
  body_too_large: {
    status: 413,
    heading: 'This form is too large',
    explanation: 'Go back and shorten your text.',
  },
  not_found: {
    status: 404,
    heading: 'This page does not exist',
    explanation: 'Check the address, or start from the home page.',
  },
  request_invalid: {
    status: 400,
    heading: 'This request could not be understood',
    explanation: 'Go back and try again.',
  },
  url_too_long: {
    status: 414,
    heading: 'This address is too long',
    explanation: 'Start from the home page.',
  },
  rate_limited: {
    status: 429,
    heading: 'Too many requests from your network',
    explanation: 'Wait a minute, then try again.',
  },
  internal_error: {
    status: 500,
    heading: 'Something went wrong on our side',
    explanation: 'Try again in a moment. Our log has the details under the reference below.',
  },
} as const;

export type PageErrorCode = keyof typeof PAGE_ERRORS;
/** Every code, sorted. */
export const PAGE_ERROR_CODES = Object.keys(PAGE_ERRORS).toSorted();

/** An error that has nothing to do with signing in. */
export class PageError extends Error {
  readonly code: PageErrorCode;
  readonly status: number;
  readonly retryAfter: number | undefined;

  constructor(code: PageErrorCode, details: { cause?: unknown; retryAfter?: number } = {}) {
    super(PAGE_ERRORS[code].heading, { cause: details.cause });
    this.name = 'PageError';
    this.code = code;
    this.status = PAGE_ERRORS[code].status;
    this.retryAfter = details.retryAfter;
  }
}

/** Handles every request that no route has handled. */
export const notFound: RequestHandler = (_req, _res, next) => next(new PageError('not_found'));

/** Pages show hints for developers unless `production` is true; the log always has the cause. */
export function errorPages(log: Log, production: boolean): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const reference = randomBytes(6).toString('base64url');
    const page = toErrorPage(error, req);
    const { status, code, heading, explanation } = page;
    const err = needsNoStack(error) ? undefined : error;
    const line = { event: 'request_refused', reference, code, status, method: req.method, err };
    log[status >= 500 ? 'error' : 'info'](line);
    // Too late for a page: express-session reports a failed write after the response was sent.
    if (res.headersSent) return;

    res.status(status).set('Cache-Control', 'no-store');
    if (page.retryAfter !== undefined) res.set('Retry-After', String(page.retryAfter));
    if (!wantsPage(req)) {
      res.json({ error: code, message: heading, advice: explanation, reference });
      return;
    }
    res.render('error', {
      ...page,
      reference,
      secondary: page.action?.href === '/' || !page.action ? null : HOME,
      // The proxy diagnosis is shown in production too: it reveals nothing about a user.
      developerHint: res.locals['diagnosis'] ?? (production ? null : (page.hint ?? null)),
    });
  };
}

/** For an error such as `not_found`, the code is enough: a stack trace would only fill the log. */
const needsNoStack = (error: unknown) => error instanceof PageError && error.status < 500;

/** The API always sends JSON. Clients without Sec-Fetch headers get it only if they prefer it. */
function wantsPage(req: Request): boolean {
  if (/^\/api(?:[/?]|$)/i.test(req.originalUrl)) return false;
  if (isNavigation(req)) return true;
  return req.get('sec-fetch-mode') === undefined && req.accepts(['html', 'json']) === 'html';
}

function toErrorPage(error: unknown, req: Request): ErrorPage {
  if (error instanceof SignInError) return signInErrorPage(error, req);
  const { code, status, retryAfter } = error instanceof PageError ? error : toPageError(error);
  const { heading, explanation } = PAGE_ERRORS[code];
  return { code, status, heading, explanation, retryAfter, action: HOME };
}

function signInErrorPage(error: SignInError, req: Request): ErrorPage {
  const returnTo = error.returnTo ?? (req.method === 'GET' ? sameOriginPath(req.originalUrl) : '/');
  const again = { href: `/login?return_to=${encodeURIComponent(returnTo)}` };
  const advice = ADVICE[error.code];
  const base = {
    status: error.status,
    code: error.code,
    heading: error.message.replace(/\.$/, ''),
    // The clock difference is shown even in production: only the operator can correct a clock.
    explanation: error.code === 'clock_skew' ? `${error.hint ?? ''} ${advice}` : advice,
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
    case 'permission_required':
    case 'cross_site_request':
    case 'other_person':
      return { ...base, action: HOME };
    default:
      return { ...base, action: { ...again, label: 'Sign in again' } };
  }
}

/** An error of body-parser, the router and others with a 4xx status is the client's fault. */
function toPageError(error: unknown): PageError {
  const { status } = error as { status?: unknown };
  if (status === 413) return new PageError('body_too_large', { cause: error });
  const isRequest = typeof status === 'number' && status >= 400 && status < 500;
  return new PageError(isRequest ? 'request_invalid' : 'internal_error', { cause: error });
}
