// From what openid-client throws to one of our codes. Only the code and our own sentence reach a page;
// the library's error travels along as `cause`, for the log.
import * as client from 'openid-client';
import { SignInError, type SignInErrorCode } from './errors.ts';

/** The SignInError for anything that a step with AuthKit threw. */
export function toSignInError(cause: unknown, returnTo?: string): SignInError {
  if (!(cause instanceof SignInError)) {
    const code = codeOf(cause);
    return new SignInError(code, { cause: withoutBodies(cause), returnTo });
  }
  const { code, retryAfter, hint } = cause;
  return new SignInError(code, { cause: withoutBodies(cause.cause), returnTo, retryAfter, hint });
}

/**
 * The library keeps what a response said in the innermost `cause`: tokens, a code, claims. A log that
 * prints all it is given must not get them. A Response shows its status and headers only, and stays.
 */
function withoutBodies(error: unknown): unknown {
  if (!(error instanceof Error)) return error instanceof Response ? error : undefined;
  const { cause } = error;
  if (cause === undefined || withoutBodies(cause) !== undefined) return error;
  Object.defineProperty(error, 'cause', { value: undefined });
  return error;
}

function codeOf(cause: unknown): SignInErrorCode {
  if (cause instanceof client.AuthorizationResponseError) return authorizationCode(cause.error);
  if (cause instanceof client.WWWAuthenticateChallengeError)
    return statusCode(cause.status, undefined);
  if (cause instanceof client.ResponseBodyError) return statusCode(cause.status, cause.error);
  if (cause instanceof client.ClientError) return clientCode(cause);
  // fetch reports a refused connection, a failed lookup or a cut answer as a TypeError with a cause.
  return cause instanceof TypeError && cause.cause !== undefined
    ? 'issuer_unreachable'
    : 'response_invalid';
}

/** RFC 6749 §4.1.2.1: errors AuthKit sends with the browser. */
function authorizationCode(error: string): SignInErrorCode {
  if (error === 'access_denied') return 'access_denied';
  const away = error === 'server_error' || error === 'temporarily_unavailable';
  return away ? 'issuer_unreachable' : 'authorization_refused';
}

/** RFC 6749 §5.2: errors of the token endpoint. 408, 429 and 5xx say nothing about the grant. */
function statusCode(status: number, error: string | undefined): SignInErrorCode {
  if (status >= 500 || status === 429 || status === 408) return 'issuer_unreachable';
  if (error === 'invalid_grant') return 'code_refused';
  if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
    return 'client_refused';
  }
  if (error === 'invalid_scope' || error === 'invalid_target') return 'authorization_refused';
  return 'response_invalid';
}

/** What an error code of the library says without a further look. */
const CLIENT_CODES: { [code: string]: SignInErrorCode } = {
  OAUTH_TIMEOUT: 'issuer_timeout',
  OAUTH_ABORT: 'issuer_timeout',
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED: 'clock_skew',
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: 'id_token_invalid',
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED: 'issuer_mismatch',
};

function clientCode(error: client.ClientError): SignInErrorCode {
  const { code, cause } = error;
  if (code === undefined) return codeOf(cause);
  // The status says more than the type: a proxy answers 408 and 429 in plain text.
  if (cause instanceof Response) return statusCode(cause.status, undefined);
  const isVague = code === 'OAUTH_UNSUPPORTED_OPERATION' || code === 'OAUTH_INVALID_RESPONSE';
  return isVague ? invalidResponseCode(error) : (CLIENT_CODES[code] ?? 'response_invalid');
}

/** RFC 9207 §2.4 and the checks of the ID token share one code in the library. */
function invalidResponseCode(error: client.ClientError): SignInErrorCode {
  const reason = error.cause instanceof Error ? error.cause.message : '';
  if (reason.includes('"iss" (issuer) missing') || reason.includes('"iss" (issuer) response')) {
    return 'issuer_response_mismatch';
  }
  return /ID Token|JW[TSE]|"state"|signature/i.test(reason)
    ? 'id_token_invalid'
    : 'response_invalid';
}

/** Whether nothing came back: a refused or cut connection, a failed lookup, a time-out. */
export function isConnectionFailure(cause: unknown): boolean {
  if (cause instanceof TypeError) return cause.cause !== undefined;
  const { code } = (cause ?? {}) as { code?: unknown };
  return (
    cause instanceof client.ClientError && (code === 'OAUTH_TIMEOUT' || code === 'OAUTH_ABORT')
  );
}

/**
 * For how many seconds the issuer asked to be left alone, or 0. Retry-After is a number of seconds or a
 * date (RFC 9110 §10.2.3); a date is compared with that of the response, so that our clock does not matter.
 */
export function secondsToWait({ cause }: SignInError): number {
  const response = cause instanceof client.ResponseBodyError ? cause.response : causeOf(cause);
  if (!(response instanceof Response)) return 0;
  const said = response.headers.get('retry-after') ?? '';
  const sent = Date.parse(response.headers.get('date') ?? '') || Date.now();
  const seconds = /^\d+$/.test(said) ? Number(said) : (Date.parse(said) - sent) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : 0;
}

const causeOf = (error: unknown) => (error instanceof Error ? error.cause : undefined);

/**
 * What went wrong with a discovery. The issuer must match exactly (OpenID Connect Discovery 1.0 §4.3), and
 * whoever configured it must see both values.
 */
export function discoveryFailure(cause: unknown, issuer: URL): SignInError {
  const { body } = Object((cause as { cause?: unknown }).cause) as { body?: { issuer?: unknown } };
  const { code } = toSignInError(cause);
  if (code === 'issuer_mismatch') {
    const advertised = JSON.stringify(String(body?.issuer)).slice(0, 200);
    const hint = `Configured issuer "${issuer.href}", advertised issuer ${advertised}.`;
    return new SignInError(code, { cause, hint });
  }
  const hint = `No usable metadata at ${issuer.origin} (${code}).`;
  return new SignInError(code === 'issuer_timeout' ? code : 'issuer_unreachable', { cause, hint });
}
