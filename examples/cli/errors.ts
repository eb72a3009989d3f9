// Every way in which a command can fail, each with an exit code that scripts can rely on.

import { ClientError, ResponseBodyError } from 'openid-client';

export const exitCodes = { failed: 1, usage: 2, not_signed_in: 3, not_completed: 4 } as const;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: keyof typeof exitCodes;

  constructor(code: keyof typeof exitCodes, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Takes any thrown value; returns a sentence and an exit code, without tokens or a stack trace. */
export function describeFailure(error: unknown): { sentence: string; exitCode: number } {
  if (error instanceof CliError) {
    return { sentence: error.message, exitCode: exitCodes[error.code] };
  }
  const exitCode = exitCodes.failed;
  if (error instanceof ResponseBodyError) {
    return { sentence: `AuthKit refused the request (${error.error}).`, exitCode };
  }
  if (error instanceof ClientError) {
    return { sentence: `AuthKit sent an unexpected response (${error.code}).`, exitCode };
  }
  if (error instanceof TypeError && error.message === 'fetch failed') {
    const sentence = 'AuthKit could not be reached. If HTTPS_PROXY is set, check that proxy.';
    return { sentence, exitCode };
  }
  return { sentence: error instanceof Error ? error.message : 'Unknown error', exitCode };
}
