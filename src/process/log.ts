// One JSON line per event. Callers log events from closed lists (SignInEvent, BearerEvent); this
// file keeps secrets out of the details of errors.
import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** Logs to standard output, or to `destination`. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    // pino copies the message of the error under this key into `msg`, unredacted.
    errorKey: 'none',
  };
  return destination ? pino(options, destination) : pino(options);
}

interface DescribedError {
  name: string;
  message: string;
  code?: string;
  /** The error code in AuthKit's response, such as `invalid_client` (RFC 6749 §5.2). */
  oauthError?: string;
  cause?: DescribedError;
  stack?: string;
}

// JWTs, AuthKit's secrets of 64 hex digits, long opaque tokens, and the value after a telling name.
const SECRETS =
  /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\b[0-9a-f]{64}\b|[\w-]{40,}|(?<=(?:code|token|secret|state|password)=)[^&\s"]+/gi;

// The form of registered OAuth error codes; another value could hold anything.
const OAUTH_ERROR = /^[a-z_]{1,40}$/;

/** Name, message, code, stack and causes of an error, without what libraries attach to it. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { name: typeof error, message: 'not an error' };
  const { code, error: oauthError } = error as { code?: unknown; error?: unknown };
  return {
    name: error.name,
    message: messageOf(error),
    ...(typeof code === 'string' && { code: redact(code) }),
    ...(typeof oauthError === 'string' && OAUTH_ERROR.test(oauthError) && { oauthError }),
    ...(depth === 0 && error.stack !== undefined && { stack: framesOf(error.stack) }),
    ...(error.cause instanceof Error &&
      depth < 4 && { cause: describeError(error.cause, depth + 1) }),
  };
}

// JSON.parse quotes the text around a syntax error, which may be part of a token response.
const messageOf = (error: Error) =>
  error instanceof SyntaxError ? 'the text cannot be parsed' : redact(error.message);

// Without its first lines, which repeat the message.
const framesOf = (stack: string) =>
  redact(
    stack
      .split('\n')
      .filter((line) => line.startsWith('    at '))
      .join('\n'),
  );

/** Replaces anything that looks like a token, code or secret. */
const redact = (text: string) => text.replaceAll(SECRETS, '[redacted]');
