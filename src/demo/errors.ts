// The last middleware: every error becomes a page that says what happened and what to do, or JSON
// for a script. Code and reference id stand in the page and in the log alike.
import { randomBytes } from 'node:crypto';
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { isNavigation, sameOriginPath, SignInError } from '../auth/index.ts';
import { ADVICE } from './advice.ts';
import type { Log } from '../process/log.ts';

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

const PAGE_ERRORS = {
  body_too_large: {
    status: 413,
    heading: 'This form is too large',
    explanation: 'Go back and send less.',
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
    explanation: 'It is in the log under the reference below. Try again in a moment.',
  },
} as const;

export type PageErrorCode = keyof typeof PAGE_ERRORS;
/** All of them, sorted. */
export const PAGE_ERROR_CODES = Object.keys(PAGE_ERRORS).toSorted();

/** What is wrong with a request, apart from signing in. */
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

/** Whatever no route answered. */
export const notFound: RequestHandler = (_req, _res, next) => next(new PageError('not_found'));

/** Detail for developers is shown where `production` is false; the log always has the cause. */
export function errorPages(log: Log, production: boolean): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const reference = randomBytes(6).toString('base64url');
    const answer = describe(error, req);
    const line = { event: 'request_refused', reference, code: answer.code, status: answer.status };
    const err = isPlain(error) ? undefined : error;
    log[answer.status >= 500 ? 'error' : 'info']({ ...line, method: req.method, err });
    // Too late for a page: express-session reports a failed write after the answer went out.
    if (res.headersSent) return;

    res.status(answer.status).set('Cache-Control', 'no-store');
    if (answer.retryAfter !== undefined) res.set('Retry-After', String(answer.retryAfter));
    const { heading, explanation, code } = answer;
    if (!wantsPage(req)) {
      res.json({ error: code, message: heading, advice: explanation, reference });
      return;
    }
    res.render('error', {
      ...answer,
      reference,
      secondary: answer.action?.href === '/' || !answer.action ? null : HOME,
      // A proxy that is not trusted is met in production; it tells nothing about a user.
      developerHint: res.locals['diagnosis'] ?? (production ? null : (answer.hint ?? null)),
    });
  };
}

/** A page that is not there, and the like: the code says it all, and no stack of ours helps. */
const isPlain = (error: unknown) => error instanceof PageError && error.status < 500;

/** The API speaks JSON to all. Tools without Sec-Fetch headers get the page unless they ask. */
function wantsPage(req: Request): boolean {
  if (/^\/api(?:[/?]|$)/i.test(req.originalUrl)) return false;
  if (isNavigation(req)) return true;
  return req.get('sec-fetch-mode') === undefined && req.accepts(['html', 'json']) === 'html';
}

function describe(error: unknown, req: Request): Answer {
  if (error instanceof SignInError) return describeSignIn(error, req);
  const { code, status, retryAfter } = error instanceof PageError ? error : asPageError(error);
  const { heading, explanation } = PAGE_ERRORS[code];
  return { code, status, heading, explanation, retryAfter, action: HOME };
}

function describeSignIn(error: SignInError, req: Request): Answer {
  const returnTo = error.returnTo ?? (req.method === 'GET' ? sameOriginPath(req.originalUrl) : '/');
  const again = { href: `/login?return_to=${encodeURIComponent(returnTo)}` };
  const advice = ADVICE[error.code];
  const base = {
    status: error.status,
    code: error.code,
    heading: error.message.replace(/\.$/, ''),
    // How far the clocks are apart is for whoever reads it: only the operator can set one.
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
    case 'cross_site_request':
    case 'other_person':
      return { ...base, action: HOME };
    default:
      return { ...base, action: { ...again, label: 'Sign in again' } };
  }
}

/** body-parser, the router and others say what they mean by a status of 4xx. */
function asPageError(error: unknown): PageError {
  const { status } = error as { status?: unknown };
  if (status === 413) return new PageError('body_too_large', { cause: error });
  const isRequest = typeof status === 'number' && status >= 400 && status < 500;
  return new PageError(isRequest ? 'request_invalid' : 'internal_error', { cause: error });
}
