// The error responses of the API: the codes of RFC 6750 §3.1
// (https://www.rfc-editor.org/rfc/rfc6750), and two outages that must not look like invalid tokens.
import type { ErrorRequestHandler, Request } from 'express';
import { errors } from 'jose';

const RESPONSES = {
  /** The request has no credentials, so the challenge has no error code (§3.1). */
  missing_token: { status: 401, error: undefined },
  invalid_request: { status: 400, error: 'invalid_request' },
  invalid_token: { status: 401, error: 'invalid_token' },
  insufficient_scope: { status: 403, error: 'insufficient_scope' },
  /** The request needs more than the token grants: insufficient_scope as well (§3.1). */
  organization_required: { status: 403, error: 'insufficient_scope' },
  /** A 401 would make every client discard valid tokens because of our outage. */
  keys_unreachable: { status: 503, error: 'temporarily_unavailable' },
  introspection_unreachable: { status: 503, error: 'temporarily_unavailable' },
  introspection_unsupported: { status: 501, error: 'introspection_unsupported' },
} as const;

/** Seconds a client should wait after a 503. */
const RETRY_AFTER_S = '10';

export type BearerErrorCode = keyof typeof RESPONSES;

export interface BearerErrorDetail extends ErrorOptions {
  scope?: string;
  reason?: string;
}

/** A refused request: `code` is for our log, `status` and `error` are for the caller. */
export class BearerError extends Error {
  override readonly name = 'BearerError';
  readonly code: BearerErrorCode;
  /** The exact reason: for our log, not for the caller. */
  readonly reason: string;
  readonly status: number;
  /** The error code in the response; undefined if the request had no credentials. */
  readonly error: string | undefined;
  /** The required scope, for the challenge. */
  readonly scope: string | undefined;

  /** `message` is sent to the caller: a fixed sentence that quotes nothing from the token. */
  constructor(code: BearerErrorCode, message: string, options: BearerErrorDetail = {}) {
    super(message, options);
    this.code = code;
    this.reason = options.reason ?? code;
    this.scope = options.scope;
    ({ status: this.status, error: this.error } = RESPONSES[code]);
  }
}

/** Log events. They never contain tokens or the values of claims. */
export type BearerEvent =
  /** `claim` is the name of the claim that did not match, such as `aud`. */
  | { event: 'token_refused'; code: BearerErrorCode; reason: string; claim?: string }
  | { event: 'keys_loaded'; count: number }
  | { event: 'keys_unreachable'; reason: string }
  | { event: 'introspection_failed'; reason: string };

export interface BearerErrorOptions {
  /** URL of the RFC 9728 document, from which clients discover the issuer; see `metadataUrlOf`. */
  resourceMetadata?: string | ((req: Request) => string);
  log?: (event: BearerEvent) => void;
}

/**
 * The last middleware of an API. Responds to a BearerError with JSON and a challenge (RFC 6750 §3,
 * RFC 9728 §5.1); passes any other error on.
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
    // No challenge for an outage: the token may be valid.
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
