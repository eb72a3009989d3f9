// Maps the errors of openid-client to our codes. Only the code and our own message reach a page;
// the library's error becomes the `cause`, for the log.
import * as client from 'openid-client';
import { SignInError, type SignInErrorCode } from './errors.ts';

/** The SignInError for anything thrown while talking to AuthKit. */
export function toSignInError(cause: unknown, returnTo?: string): SignInError {
  if (!(cause instanceof SignInError)) {
    const code = codeOf(cause);
    return new SignInError(code, { cause: withoutBodies(cause), returnTo });
  }
  const { code, retryAfter, hint } = cause;
  return new SignInError(code, { cause: withoutBodies(cause.cause), returnTo, retryAfter, hint });
}

/**
 * Removes response bodies from the chain of causes. The library keeps them in the innermost
 * `cause`, with tokens, a code or claims, which a log might print. A Response prints only its
 * status and headers, and stays.
 */
function withoutBodies(error: unknown): unknown {
  if (!(error instanceof Error)) return error instanceof Response ? error : undefined;
  const { cause } = error;
  if (cause === undefined || withoutBodies(cause) !== undefined) return error;
  Object.defineProperty(error, 'cause', { value: undefined });
  return error;
}

function codeOf(cause: unknown): SignInErrorCode {
  if (cause instanceof client.AuthorizationResponseError) return redirectErrorCode(cause.error);
  if (cause instanceof client.WWWAuthenticateChallengeError) return codeOfStatus(cause.status);
  if (cause instanceof client.ResponseBodyError) return codeOfStatus(cause.status, cause.error);
  if (cause instanceof client.ClientError) return clientErrorCode(cause);
  // fetch reports a refused connection, failed lookup or cut response as a TypeError with a cause.
  return cause instanceof TypeError && cause.cause !== undefined
    ? 'issuer_unreachable'
    : 'response_invalid';
}

/** RFC 6749 §4.1.2.1: errors in the authorization response. */
function redirectErrorCode(error: string): SignInErrorCode {
  if (error === 'access_denied') return 'access_denied';
  const isOutage = error === 'server_error' || error === 'temporarily_unavailable';
  return isOutage ? 'issuer_unreachable' : 'authorization_refused';
}

/** RFC 6749 §5.2: errors of the token endpoint. 408, 429 and 5xx say nothing about the grant. */
function codeOfStatus(status: number, error?: string): SignInErrorCode {
  if (status >= 500 || status === 429 || status === 408) return 'issuer_unreachable';
  // AuthKit was seen to send `invalid_code`, which no specification has, to a Public application.
  if (error === 'invalid_grant' || error === 'invalid_code') return 'code_refused';
  if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
    return 'client_refused';
  }
  if (error === 'invalid_scope' || error === 'invalid_target') return 'authorization_refused';
  return 'response_invalid';
}

/** The library's error codes that map directly to one of ours. */
const CLIENT_CODES: { [code: string]: SignInErrorCode } = {
  OAUTH_TIMEOUT: 'issuer_timeout',
  OAUTH_ABORT: 'issuer_timeout',
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED: 'clock_skew',
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: 'id_token_invalid',
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED: 'issuer_mismatch',
};

function clientErrorCode(error: client.ClientError): SignInErrorCode {
  const { code, cause } = error;
  if (code === undefined) return codeOf(cause);
  // The status says more than the error: a proxy responds 408 or 429 with plain text.
  if (cause instanceof Response) return codeOfStatus(cause.status);
  const isAmbiguous = code === 'OAUTH_UNSUPPORTED_OPERATION' || code === 'OAUTH_INVALID_RESPONSE';
  return isAmbiguous ? invalidResponseCode(error) : (CLIENT_CODES[code] ?? 'response_invalid');
}

/** The library has one error code for RFC 9207 §2.4 and for the checks of the ID token. */
function invalidResponseCode(error: client.ClientError): SignInErrorCode {
  const reason = error.cause instanceof Error ? error.cause.message : '';
  if (reason.includes('"iss" (issuer) missing') || reason.includes('"iss" (issuer) response')) {
    return 'issuer_response_mismatch';
  }
  return /ID Token|JW[TSE]|"state"|signature/i.test(reason)
    ? 'id_token_invalid'
    : 'response_invalid';
}

/** Whether there was no response: a refused or broken connection, a failed lookup, a timeout. */
export function isConnectionFailure(cause: unknown): boolean {
  if (cause instanceof TypeError) return cause.cause !== undefined;
  return cause instanceof client.ClientError && codeOf(cause) === 'issuer_timeout';
}

/**
 * How many seconds the issuer asked us to wait, or 0. Retry-After is a number of seconds or a date
 * (RFC 9110 §10.2.3). A date is compared with the response's own, so that our clock does not
 * matter.
 */
export function secondsToWait({ cause }: SignInError): number {
  const response = cause instanceof client.ResponseBodyError ? cause.response : causeOf(cause);
  if (!(response instanceof Response)) return 0;
  const value = response.headers.get('retry-after') ?? '';
  const sent = Date.parse(response.headers.get('date') ?? '') || Date.now();
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - sent) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : 0;
}

const causeOf = (error: unknown) => (error instanceof Error ? error.cause : undefined);

/** Why fetch failed or we refuse the metadata, as in ": connect ECONNREFUSED 127.0.0.1:4000". */
function reasonOf(cause: unknown): string {
  const reason = cause instanceof TypeError ? (cause.cause ?? cause) : undefined;
  return reason instanceof Error && reason.message !== '' ? `: ${reason.message}` : '';
}

/**
 * The SignInError for a failed discovery. The issuer must match as a normalized URL (OpenID
 * Connect Discovery 1.0 §4.3); the hint shows both values to the operator.
 */
export function discoveryFailure(cause: unknown, issuer: URL): SignInError {
  const { body } = Object((cause as { cause?: unknown }).cause) as { body?: { issuer?: unknown } };
  const { code } = toSignInError(cause);
  if (code === 'issuer_mismatch') {
    const advertised = JSON.stringify(String(body?.issuer)).slice(0, 200);
    const hint = `Configured issuer "${issuer.href}", advertised issuer ${advertised}.`;
    return new SignInError(code, { cause, hint });
  }
  const hint = `No usable metadata at ${issuer.origin} (${code})${reasonOf(cause)}.`;
  return new SignInError(code === 'issuer_timeout' ? code : 'issuer_unreachable', { cause, hint });
}
