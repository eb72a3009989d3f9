// Every way in which a command can fail, each with an exit code that scripts can rely on.

import * as oauth from 'openid-client';

export const exitCodes = { failed: 1, usage: 2, not_signed_in: 3, not_completed: 4 } as const;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: keyof typeof exitCodes;

  constructor(code: keyof typeof exitCodes, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** OAuth errors that end a sign-in without a fault of anybody's. */
const endings: Partial<Record<string, string>> = {
  access_denied: 'You denied access; you are not signed in.',
  expired_token: 'The code has expired. Start again.',
  invalid_grant: 'The code is no longer valid. Start again.',
  // AuthKit's own, for the code of a Public application.
  invalid_code: 'The code is no longer valid. Start again.',
};

/** Takes any thrown value; returns a sentence and an exit code, without tokens or a stack trace. */
export function describeFailure(error: unknown): { sentence: string; exitCode: number } {
  if (error instanceof CliError) {
    return { sentence: error.message, exitCode: exitCodes[error.code] };
  }
  const exitCode = exitCodes.failed;
  const refusal = refusalOf(error);
  if (refusal !== undefined) {
    const ending = endings[refusal];
    if (ending !== undefined) return { sentence: ending, exitCode: exitCodes.not_completed };
    const advice = refusal === 'invalid_client' ? ': check CLI_CLIENT_ID' : '';
    return { sentence: `AuthKit refused the request (${refusal})${advice}.`, exitCode };
  }
  if (isUnreachable(error)) {
    const sentence = 'AuthKit could not be reached. If HTTPS_PROXY is set, check that proxy.';
    return { sentence, exitCode };
  }
  if (error instanceof oauth.ClientError) {
    return { sentence: `AuthKit sent an unexpected response (${error.code}).`, exitCode };
  }
  return { sentence: error instanceof Error ? error.message : 'Unknown error', exitCode };
}

/** Whether the same request may succeed later: nothing that AuthKit decided has failed it. */
export function isTransient(error: unknown): boolean {
  if (
    error instanceof oauth.ResponseBodyError ||
    error instanceof oauth.WWWAuthenticateChallengeError
  ) {
    return error.status === 408 || error.status === 429 || error.status >= 500;
  }
  const isUnreadable = error instanceof oauth.ClientError && unreadable.has(error.code);
  return isUnreadable || isUnreachable(error);
}

/** Not an OAuth response: the page of a proxy, or a body that broke off. */
const unreadable = new Set<string | undefined>([
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
  'OAUTH_RESPONSE_IS_NOT_JSON',
  'OAUTH_PARSE_ERROR',
  'OAUTH_INVALID_RESPONSE',
]);

function isUnreachable(error: unknown): boolean {
  if (error instanceof oauth.ClientError) return error.code === 'OAUTH_TIMEOUT';
  return error instanceof TypeError && error.message === 'fetch failed';
}

function refusalOf(error: unknown): string | undefined {
  if (error instanceof oauth.ResponseBodyError) return error.error;
  if (error instanceof oauth.AuthorizationResponseError) return error.error;
  // A token endpoint challenges a client that it does not know (RFC 6749 section 5.2).
  const isChallenge = error instanceof oauth.WWWAuthenticateChallengeError;
  return isChallenge && error.status === 401 ? 'invalid_client' : undefined;
}
