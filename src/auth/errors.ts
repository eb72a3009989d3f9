// Everything that can go wrong with a sign-in, as one closed list. The code is stable: the same in
// the page, the log and docs/troubleshooting.md. `message` says what happened, `advice`
// what to do; neither ever holds a word that came from outside.

interface Cause {
  status: number;
  message: string;
  advice: string;
}

const CAUSES = {
  access_denied: {
    status: 403,
    message: 'The sign-in was cancelled, or access was not granted.',
    advice: 'Sign in again and allow access, or ask the administrator of your organization.',
  },
  attempt_expired: {
    status: 400,
    message: 'This sign-in took longer than ten minutes.',
    advice: 'Sign in again; it takes a moment if you are still signed in at AuthKit.',
  },
  attempt_missing: {
    status: 400,
    message: 'This browser did not start the sign-in that just came back.',
    advice:
      'Sign in again in this browser. If it happens every time, allow cookies for this site and open it under one host name only.',
  },
  attempt_used: {
    status: 400,
    message: 'This sign-in was already completed once.',
    advice: 'Sign in again; an answer from AuthKit works one time only.',
  },
  authorization_refused: {
    status: 400,
    message: 'AuthKit did not accept the request to sign in.',
    advice: 'Check OAUTH_SCOPE and OAUTH_RESOURCE against the application in the WorkOS dashboard.',
  },
  callback_invalid: {
    status: 400,
    message: 'This address is where AuthKit sends you back to; nothing came with it.',
    advice: 'Start with "Sign in".',
  },
  client_refused: {
    status: 502,
    message: 'AuthKit does not accept this application’s credentials.',
    advice:
      'Check OAUTH_APP_CLIENT_ID and OAUTH_APP_CLIENT_SECRET; the secret may have been deleted.',
  },
  clock_skew: {
    status: 502,
    message: 'The clocks of this server and of AuthKit disagree too much.',
    advice: 'Set this server’s clock (NTP); tokens are accepted with 30 seconds of difference.',
  },
  cross_site_request: {
    status: 403,
    message: 'This request came from another site and was not carried out.',
    advice: 'Use the button on this site’s own page.',
  },
  exchange_refused: {
    status: 400,
    message: 'AuthKit did not accept the code that came back from the sign-in.',
    advice: 'Sign in again; a code works once and only for a short time.',
  },
  fresh_token_unavailable: {
    status: 503,
    message: 'AuthKit cannot be reached, and this page needs a fresh access token.',
    advice: 'You are still signed in. Try again in a moment.',
  },
  id_token_invalid: {
    status: 502,
    message: 'The ID token that AuthKit sent did not pass its checks.',
    advice: 'Sign in again. If it stays, check AUTHKIT_ISSUER and OAUTH_APP_CLIENT_ID.',
  },
  introspection_unavailable: {
    status: 501,
    message: 'This page asks AuthKit whether your grant still stands, which is not possible here.',
    advice: 'It needs a confidential application (OAUTH_APP_CLIENT_SECRET) and introspection.',
  },
  issuer_mismatch: {
    status: 502,
    message: 'AuthKit calls itself by another name than the configured issuer.',
    advice: 'Set AUTHKIT_ISSUER to exactly the advertised issuer; the log shows both.',
  },
  issuer_response_mismatch: {
    status: 400,
    message: 'The answer to this sign-in came from another issuer than it was sent to.',
    advice: 'Sign in again. If it stays, somebody may be mixing up issuers.',
  },
  issuer_timeout: {
    status: 504,
    message: 'AuthKit did not answer in time.',
    advice: 'Try again in a moment.',
  },
  issuer_unreachable: {
    status: 503,
    message: 'AuthKit cannot be reached.',
    advice: 'Try again in a moment.',
  },
  login_required: {
    status: 401,
    message: 'You are not signed in.',
    advice: 'Sign in, then try again.',
  },
  method_not_allowed: {
    status: 405,
    message: 'AuthKit sends people back here with GET only.',
    advice: 'Use response mode "query"; a form post would lose the SameSite=Lax cookie.',
  },
  on_sign_in_failed: {
    status: 503,
    message: 'You signed in at AuthKit, but your account could not be prepared here.',
    advice: 'Try again in a moment. If it stays, the log has the cause.',
  },
  organization_required: {
    status: 403,
    message: 'This page belongs to an organization, and you signed in without one.',
    advice: 'Choose an organization, or ask to be invited to one.',
  },
  response_invalid: {
    status: 502,
    message: 'AuthKit’s answer could not be understood.',
    advice: 'Try again in a moment. If it stays, check AUTHKIT_ISSUER.',
  },
  state_mismatch: {
    status: 400,
    message: 'The answer belongs to another sign-in than those this browser has open.',
    advice: 'Sign in again in this browser.',
  },
  store_unavailable: {
    status: 503,
    message: 'The session store cannot be reached.',
    advice: 'Nobody was signed out. Try again in a moment.',
  },
  user_mismatch: {
    status: 502,
    message: 'AuthKit described another user than the one who signed in.',
    advice: 'Sign in again.',
  },
} as const satisfies Record<string, Cause>;

export type SignInErrorCode = keyof typeof CAUSES;
/** All of them, sorted: what a page, a test or a document can be held to. */
export const SIGN_IN_ERROR_CODES = Object.keys(CAUSES).toSorted();

interface Details {
  cause?: unknown;
  /** Where "Sign in again" should lead. */
  returnTo?: string;
  /** Seconds, for the Retry-After header. */
  retryAfter?: number;
  /** For the log and for developers, never for users: may quote configuration, never a secret. */
  hint?: string;
}

/**
 * A sign-in, or a page that needs one, that cannot go on. Handled by the app's error handler:
 * `status` and `retryAfter` (seconds) for the answer, `message` and `advice` for the page, the rest
 * for the log.
 */
export class SignInError extends Error {
  readonly code: SignInErrorCode;
  readonly status: number;
  readonly advice: string;
  readonly returnTo: string | undefined;
  readonly retryAfter: number | undefined;
  readonly hint: string | undefined;

  constructor(code: SignInErrorCode, details: Details = {}) {
    const { status, message, advice }: Cause = CAUSES[code];
    super(message, { cause: details.cause });
    this.name = 'SignInError';
    this.code = code;
    this.status = status;
    this.advice = advice;
    this.returnTo = details.returnTo;
    this.retryAfter = details.retryAfter ?? (status === 503 || status === 504 ? 5 : undefined);
    this.hint = details.hint;
  }
}
