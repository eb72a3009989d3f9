// Every way a sign-in can fail, as one closed list. A code is stable: it is the same on the page,
// in the log and in your documentation. `message` says what happened and never contains outside
// input. What to do about it is up to your error page, which knows your settings.

/** By code: status and message. */
const ERRORS = {
  access_denied: [403, 'The sign-in was canceled, or access was not granted.'],
  attempt_expired: [400, 'This sign-in took longer than ten minutes.'],
  attempt_missing: [400, 'This browser has no sign-in open that this response could belong to.'],
  attempt_used: [400, 'This sign-in was already completed.'],
  authorization_refused: [400, 'AuthKit refused the authorization request.'],
  callback_invalid: [400, 'The request to the callback carried no valid authorization response.'],
  client_refused: [502, 'AuthKit does not accept this application’s credentials.'],
  clock_skew: [502, 'The clocks of this server and AuthKit differ too much.'],
  code_refused: [400, 'AuthKit did not accept the authorization code.'],
  cross_site_request: [403, 'This request came from another site and was refused.'],
  foreign_issuer: [400, 'This link leads to a sign-in at another issuer than AuthKit.'],
  fresh_token_unavailable: [503, 'The access token has expired and could not be refreshed.'],
  id_token_invalid: [502, 'The ID token from AuthKit failed validation.'],
  introspection_unavailable: [501, 'This app cannot ask AuthKit whether the grant is active.'],
  issuer_mismatch: [502, 'AuthKit’s metadata names a different issuer than configured.'],
  issuer_response_mismatch: [400, 'The authorization response does not name the expected issuer.'],
  issuer_timeout: [504, 'AuthKit did not respond in time.'],
  issuer_unreachable: [503, 'AuthKit cannot be reached.'],
  login_required: [401, 'You are not signed in.'],
  method_not_allowed: [405, 'The callback accepts only GET requests.'],
  on_sign_in_failed: [503, 'You signed in, but your account could not be set up here.'],
  organization_required: [403, 'This page needs an organization, and you signed in without one.'],
  other_person: [409, 'A different user has signed in since this page was opened.'],
  permission_required: [403, 'This page needs a permission that you do not have.'],
  refresh_refused: [503, 'AuthKit refused to refresh the access token.'],
  response_invalid: [502, 'AuthKit sent an invalid response.'],
  sign_in_loop: [400, 'You signed in several times, but none of the sessions lasted.'],
  state_mismatch: [400, 'This response belongs to none of this browser’s open sign-ins.'],
  store_unavailable: [503, 'The session store cannot be reached.'],
  user_mismatch: [502, 'AuthKit described a different user than the one who signed in.'],
} as const satisfies Record<string, [status: number, message: string]>;

export type SignInErrorCode = keyof typeof ERRORS;
/** All codes, sorted, so that a page, a test or a document can cover every one. */
export const SIGN_IN_ERROR_CODES = (Object.keys(ERRORS) as SignInErrorCode[]).toSorted();

interface Details {
  cause?: unknown;
  /** The page to return to after "Sign in again". */
  returnTo?: string | undefined;
  /** Seconds, for the Retry-After header. */
  retryAfter?: number | undefined;
  /** For the log and developers, never for users: may quote configuration, but no secret. */
  hint?: string | undefined;
}

/**
 * Thrown when a sign-in, or a page that requires one, cannot continue. Your error handler uses
 * `status` and `retryAfter` (seconds) for the response, `message` for the page, and the rest for
 * the log.
 */
export class SignInError extends Error {
  readonly code: SignInErrorCode;
  readonly status: number;
  readonly returnTo: string | undefined;
  readonly retryAfter: number | undefined;
  readonly hint: string | undefined;

  constructor(code: SignInErrorCode, details: Details = {}) {
    const [status, message]: readonly [number, string] = ERRORS[code];
    super(message, { cause: details.cause });
    this.name = 'SignInError';
    this.code = code;
    this.status = status;
    this.returnTo = details.returnTo;
    this.retryAfter = details.retryAfter ?? (status === 503 || status === 504 ? 5 : undefined);
    this.hint = details.hint;
  }
}

/**
 * Rethrows a rejection of the store as a SignInError.
 * @throws SignInError `store_unavailable`
 */
export function storeFailure(cause: unknown): never {
  throw cause instanceof SignInError ? cause : new SignInError('store_unavailable', { cause });
}
