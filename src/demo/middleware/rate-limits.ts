// How often one client address may try: sign-ins, and refused tokens at the API. Counted in this
// process or, with Redis, across all instances; without an answer from Redis nobody is held back.
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Options } from 'express-rate-limit';
import { BearerError } from '../../bearer/index.ts';
import { PageError } from '../errors.ts';

export interface RateLimits {
  signIn: RequestHandler;
  /** Turns a refused token beyond the limit into 429; valid tokens are never counted. */
  refusedTokens: ErrorRequestHandler;
  /** Before AuthKit is asked about a token: stops an address that has used up its refused ones. */
  beforeAsking: RequestHandler;
}

type Store = Options['store'];
const WINDOW_MS = 60_000;
const SILENT = { warn: () => undefined, error: () => undefined };

/**
 * `perMinute` tries for each address, 0 for no limit; IPv6 addresses of one network count as one.
 * `storeFor` gives each counter a shared store; without it, counts stay in this process.
 * @throws PageError `rate_limited`, from all three handlers
 */
export function createRateLimits(
  perMinute: number,
  storeFor?: (name: string) => Store,
): RateLimits {
  if (perMinute === 0) {
    return {
      signIn: (_req, _res, next) => next(),
      refusedTokens: (error, _q, _s, next) => next(error),
      beforeAsking: (_req, _res, next) => next(),
    };
  }
  const limiter = (name: string) =>
    rateLimit({
      windowMs: WINDOW_MS,
      limit: perMinute,
      standardHeaders: false,
      legacyHeaders: false,
      passOnStoreError: true,
      // What the library has to say it says as a stack on stderr, for each request that Redis does
      // not count. An absent store and a proxy that is not trusted are told in the log, once.
      validate: false,
      logger: SILENT,
      keyGenerator: keyOf,
      ...(storeFor && { store: storeFor(name) }),
      handler: (_req, _res, next) => next(rateLimited()),
    });
  const refused = limiter('refused-tokens');
  return {
    signIn: limiter('sign-in'),
    refusedTokens: (error: unknown, req, res, next) => {
      if (!(error instanceof BearerError) || error.code !== 'invalid_token') return next(error);
      return refused(req, res, (limited?: unknown) => next(limited ?? error));
    },
    beforeAsking: async (req, _res, next) => {
      const count = await Promise.resolve(refused.getKey(keyOf(req))).catch(() => undefined);
      // The counter of this process keeps a count beyond its minute, until the next refused token.
      const { totalHits = 0, resetTime = new Date() } = count ?? {};
      next(totalHits >= perMinute && resetTime.getTime() > Date.now() ? rateLimited() : undefined);
    },
  };
}

const rateLimited = () => new PageError('rate_limited', { retryAfter: WINDOW_MS / 1000 });

const keyOf = ({ ip = '' }: Request) => ipKeyGenerator(withoutPort(ip));

/** Some proxies forward `address:port`, which would make each connection a client of its own. */
function withoutPort(ip: string): string {
  const [, v4, v6] = /^(?:(\d+(?:\.\d+){3}):\d+|\[([^\]]+)\](?::\d+)?)$/.exec(ip) ?? [];
  return v4 ?? v6 ?? ip;
}
