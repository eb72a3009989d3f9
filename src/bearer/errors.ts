// The response of an API that does not serve a request: the codes of RFC 6750 §3.1
// (https://www.rfc-editor.org/rfc/rfc6750) and the two outages that must not look like bad tokens.
import type { ErrorRequestHandler, Request } from 'express';
import { errors } from 'jose';

const RESPONSES = {
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

export type BearerErrorCode = keyof typeof RESPONSES;

export interface BearerErrorDetail extends ErrorOptions {
  scope?: string;
  reason?: string;
}

/** A request that was not served: `code` for our log, `status` and `error` for the caller. */
export class BearerError extends Error {
  override readonly name = 'BearerError';
  readonly code: BearerErrorCode;
  /** What exactly was wrong: for our log, not for the caller. */
  readonly reason: string;
  readonly status: number;
  /** The error code on the wire; undefined when no credentials came. */
  readonly error: string | undefined;
  /** What the token lacks, for the challenge. */
  readonly scope: string | undefined;

  /** `message` goes to the caller: a fixed sentence, never a word out of the token. */
  constructor(code: BearerErrorCode, message: string, options: BearerErrorDetail = {}) {
    super(message, options);
    this.code = code;
    this.reason = options.reason ?? code;
    this.scope = options.scope;
    ({ status: this.status, error: this.error } = RESPONSES[code]);
  }
}

/** What the log hears of: neither tokens nor claims are ever in it. */
export type BearerEvent =
  /** `claim` is the name of the one that is not as expected, such as `aud`. */
  | { event: 'token_refused'; code: BearerErrorCode; reason: string; claim?: string }
  | { event: 'keys_loaded'; count: number }
  | { event: 'keys_unreachable'; reason: string }
  | { event: 'introspection_failed'; reason: string };

export interface BearerErrorOptions {
  /** URL of the RFC 9728 document, for clients that look for the issuer by themselves: `metadataUrlOf`. */
  resourceMetadata?: string | ((req: Request) => string);
  log?: (event: BearerEvent) => void;
}

/**
 * The last middleware of an API: responds to a BearerError with JSON and its challenge, and passes
 * any other error on. RFC 6750 §3, RFC 9728 §5.1.
 */
export function bearerErrorHandler(options: BearerErrorOptions = {}): ErrorRequestHandler {
  const { resourceMetadata: url } = options;
  const metadataOf = typeof url === 'function' ? url : () => url;
  return (error, req, res, next) => {
    if (!(error instanceof BearerError) || res.headersSent) return next(error);
    const { code, reason, status, error: name, message, cause } = error;
    const claim = cause instanceof errors.JWTClaimValidationFailed ? { claim: cause.claim } : {};
    options.log?.({ event: 'token_refused', code, reason, ...claim });
    res.status(status).set('Cache-Control', 'no-store');
    // No challenge for an outage: the token may be good.
    if (status < 500) res.set('WWW-Authenticate', challengeOf(error, metadataOf(req)));
    if (status === 503) res.set('Retry-After', RETRY_AFTER_S);
    return res.json(name === undefined ? { message } : { error: name, error_description: message });
  };
}

function challengeOf({ error, message, scope }: BearerError, resourceMetadata?: string): string {
  const params = { realm: 'api', error, error_description: error && message, scope };
  return `Bearer ${Object.entries({ ...params, resource_metadata: resourceMetadata })
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]))
    .join(', ')}`;
}
