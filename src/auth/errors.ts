// Everything that can go wrong with a sign-in, as one closed list. The code is stable: the same in
// the page, the log and your documentation. `message` says what happened and never holds a word that
// came from outside; what to do about it is for your error page to say, which knows your settings.

/** Code: status and message. */
const ERRORS = {
  access_denied: [403, 'The sign-in was cancelled, or access was not granted.'],
  attempt_expired: [400, 'This sign-in took longer than ten minutes.'],
  attempt_missing: [400, 'This browser has no sign-in open that this could be the answer to.'],
  attempt_used: [400, 'This sign-in was already completed once.'],
  authorization_refused: [400, 'AuthKit did not accept the request to sign in.'],
  callback_invalid: [400, 'This address is where AuthKit sends you back to; nothing came with it.'],
  client_refused: [502, 'AuthKit does not accept this application’s credentials.'],
  clock_skew: [502, 'The clocks of this server and of AuthKit disagree too much.'],
  code_refused: [400, 'AuthKit did not accept the code that came back from the sign-in.'],
  cross_site_request: [403, 'This request came from another site and was not carried out.'],
  fresh_token_unavailable: [503, 'AuthKit cannot be reached, and this page needs a fresh token.'],
  id_token_invalid: [502, 'The ID token that AuthKit sent did not pass its checks.'],
  introspection_unavailable: [501, 'AuthKit cannot be asked here whether the grant is active.'],
  issuer_mismatch: [502, 'AuthKit’s metadata names a different issuer than configured.'],
  issuer_response_mismatch: [400, 'Another issuer responded than the one that was asked.'],
  issuer_timeout: [504, 'AuthKit did not answer in time.'],
  issuer_unreachable: [503, 'AuthKit cannot be reached.'],
  login_required: [401, 'You are not signed in.'],
  method_not_allowed: [405, 'AuthKit sends people back here with GET only.'],
  on_sign_in_failed: [503, 'You signed in, but your account could not be prepared here.'],
  organization_required: [403, 'This page needs an organization, and you signed in without one.'],
  other_person: [409, 'Somebody else is signed in here than when this page was opened.'],
  refresh_refused: [503, 'AuthKit refused to renew the access token.'],
  response_invalid: [502, 'AuthKit’s answer could not be understood.'],
  sign_in_loop: [400, 'You signed in several times, and none of these sessions lasted.'],
  state_mismatch: [400, 'The answer belongs to another sign-in than those this browser has open.'],
  store_unavailable: [503, 'The session store cannot be reached.'],
  user_mismatch: [502, 'AuthKit described another user than the one who signed in.'],
} as const satisfies Record<string, [status: number, message: string]>;

export type SignInErrorCode = keyof typeof ERRORS;
/** All of them, sorted: what a page, a test or a document can be held to. */
export const SIGN_IN_ERROR_CODES = (Object.keys(ERRORS) as SignInErrorCode[]).toSorted();

interface Details {
  cause?: unknown;
  /** Where "Sign in again" should lead. */
  returnTo?: string | undefined;
  /** Seconds, for the Retry-After header. */
  retryAfter?: number | undefined;
  /** For the log and for developers, never for users: may quote configuration, never a secret. */
  hint?: string | undefined;
}

/**
 * A sign-in, or a page that needs one, that cannot go on. Handled by the app's error handler:
 * `status` and `retryAfter` (seconds) for the response, `message` for the page, the rest for the log.
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
 * Turns a rejection of the store into the one error that pages know.
 * @throws SignInError `store_unavailable`
 */
export function storeFailure(cause: unknown): never {
  throw cause instanceof SignInError ? cause : new SignInError('store_unavailable', { cause });
}
