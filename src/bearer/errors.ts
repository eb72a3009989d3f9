// What an API answers when it does not serve a call: the codes of RFC 6750 §3.1
// (https://www.rfc-editor.org/rfc/rfc6750) and the two outages that must not look like bad tokens.
import type { ErrorRequestHandler } from 'express';

const ANSWERS = {
  /** No credentials came: the challenge then carries no error code (§3.1). */
  missing_token: { status: 401, error: undefined },
  invalid_request: { status: 400, error: 'invalid_request' },
  invalid_token: { status: 401, error: 'invalid_token' },
  insufficient_scope: { status: 403, error: 'insufficient_scope' },
  /** More than the token allows, which §3.1 calls insufficient_scope as well. */
  organization_required: { status: 403, error: 'insufficient_scope' },
  /** A 401 here would make every client throw good tokens away for our outage. */
  keys_unreachable: { status: 503, error: 'temporarily_unavailable' },
  introspection_unreachable: { status: 503, error: 'temporarily_unavailable' },
  introspection_unsupported: { status: 501, error: 'introspection_unsupported' },
} as const;

/** When to try again after an outage. */
const RETRY_AFTER_S = '10';

export type BearerErrorCode = keyof typeof ANSWERS;

export interface BearerErrorDetail extends ErrorOptions {
  scope?: string;
  reason?: string;
}

/** A call that was not served: `code` for our log, `status` and `challenge` for the caller. */
export class BearerError extends Error {
  override readonly name = 'BearerError';
  readonly code: BearerErrorCode;
  /** What exactly was wrong: for our log, not for the caller. */
  readonly reason: string;
  readonly status: number;
  /** The parameters of WWW-Authenticate, already quoted; undefined where no challenge is due. */
  readonly challenge: readonly string[] | undefined;

  /** `message` goes to the caller: a fixed sentence, never a word out of the token. */
  constructor(code: BearerErrorCode, message: string, options: BearerErrorDetail = {}) {
    super(message, options);
    this.code = code;
    this.reason = options.reason ?? code;
    this.status = ANSWERS[code].status;
    this.challenge = this.status > 500 ? undefined : challenge(this, options.scope);
  }

  /** The error code on the wire; undefined when no credentials came. */
  get error(): string | undefined {
    return ANSWERS[this.code].error;
  }
}

function challenge({ error, message }: BearerError, scope?: string): string[] {
  if (error === undefined) return [];
  const params = [`error="${error}"`, `error_description="${message}"`];
  return scope === undefined ? params : [...params, `scope="${scope}"`];
}

/** What the log hears of: neither tokens nor claims are ever in it. */
export type BearerEvent =
  | { event: 'token_refused'; code: BearerErrorCode; reason: string }
  | { event: 'keys_loaded'; count: number }
  | { event: 'keys_unreachable'; reason: string }
  | { event: 'introspection_failed'; reason: string };

export interface BearerErrorOptions {
  /** URL of the RFC 9728 document, for clients that look for the issuer by themselves. */
  resourceMetadata?: string;
  /** The realm of the challenge (RFC 9110 §11.5); default `api`. */
  realm?: string;
  log?: (event: BearerEvent) => void;
}

/**
 * The last middleware of an API: answers a BearerError as JSON with its challenge, and passes any
 * other error on. RFC 6750 §3, RFC 9728 §5.1.
 */
export function bearerErrorHandler(options: BearerErrorOptions = {}): ErrorRequestHandler {
  const { resourceMetadata, realm = 'api', log } = options;
  return (error, _req, res, next) => {
    if (!(error instanceof BearerError) || res.headersSent) {
      next(error);
      return;
    }
    log?.({ event: 'token_refused', code: error.code, reason: error.reason });
    res.status(error.status).set('Cache-Control', 'no-store');
    if (error.challenge !== undefined) {
      const params = [`realm="${realm}"`, ...error.challenge];
      if (resourceMetadata !== undefined) params.push(`resource_metadata="${resourceMetadata}"`);
      res.set('WWW-Authenticate', `Bearer ${params.join(', ')}`);
    }
    if (error.status === 503) res.set('Retry-After', RETRY_AFTER_S);
    const { message } = error;
    res.json(
      error.error === undefined ? { message } : { error: error.error, error_description: message },
    );
  };
}
