// One JSON line per event. What is logged is chosen by the callers from closed lists (SignInEvent,
// BearerEvent); here it is made sure that an error's details bring no secret along.
import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** A log to standard output, or to `destination`. */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    // pino copies the message of what stands under this key into `msg`, with every secret in it.
    errorKey: 'none',
  };
  return destination ? pino(options, destination) : pino(options);
}

interface Described {
  name: string;
  message: string;
  code?: string;
  /** What AuthKit answered, such as `invalid_client` (RFC 6749 §5.2). */
  oauthError?: string;
  cause?: Described;
  stack?: string;
}

// JWTs, AuthKit's 64 hex digit secrets, long opaque tokens, and anything after a telling name.
const SECRETS =
  /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\b[0-9a-f]{64}\b|[\w-]{40,}|(?<=(?:code|token|secret|state|password)=)[^&\s"]+/gi;

// The codes of the registry; others could be anything.
const OAUTH_ERROR = /^[a-z_]{1,40}$/;

/** Name, message, code, stack and causes of an error; none of the values libraries hang onto it. */
export function describeError(error: unknown, depth = 0): Described {
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

// JSON.parse quotes the text around what it stumbled over: that of a token response, at worst.
const messageOf = (error: Error) =>
  error instanceof SyntaxError ? 'the text cannot be parsed' : redact(error.message);

// A stack begins with the message.
const framesOf = (stack: string) =>
  redact(
    stack
      .split('\n')
      .filter((line) => line.startsWith('    at '))
      .join('\n'),
  );

/** Replaces whatever looks like a token, code or secret. */
const redact = (text: string) => text.replaceAll(SECRETS, '[redacted]');
