// Limits how often one client address may start a sign-in or send a token that the API refuses.
// Counts are kept in this process or, with Redis or PostgreSQL, shared by all instances. If the
// server does not respond, requests are let through.
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Options } from 'express-rate-limit';
import { BearerError } from '../../bearer/index.ts';
import { PageError } from '../errors.ts';

export interface RateLimits {
  signIn: RequestHandler;
  /** Turns a refused token beyond the limit into 429; valid tokens are never counted. */
  refusedTokens: ErrorRequestHandler;
  /** Runs before introspection: stops an address that has reached its limit of refused tokens. */
  beforeIntrospection: RequestHandler;
}

type Store = Options['store'];
const WINDOW_MS = 60_000;
const SILENT = { warn: () => undefined, error: () => undefined };

/**
 * Allows `perMinute` attempts per address, unlimited if 0; IPv6 addresses of one network count as
 * one. `storeFor` gives each counter a shared store; without it, counts stay in this process.
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
      beforeIntrospection: (_req, _res, next) => next(),
    };
  }
  const limiter = (name: string) =>
    rateLimit({
      windowMs: WINDOW_MS,
      limit: perMinute,
      standardHeaders: false,
      legacyHeaders: false,
      passOnStoreError: true,
      // The library would print a stack to stderr for every request that the store fails to count. The
      // log already reports an unreachable store and an untrusted proxy, once each.
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
    beforeIntrospection: async (req, _res, next) => {
      const count = await Promise.resolve(refused.getKey(keyOf(req))).catch(() => undefined);
      // The in-process counter keeps an expired count until the next refused token.
      const { totalHits = 0, resetTime = new Date() } = count ?? {};
      next(totalHits >= perMinute && resetTime.getTime() > Date.now() ? rateLimited() : undefined);
    },
  };
}

const rateLimited = () => new PageError('rate_limited', { retryAfter: WINDOW_MS / 1000 });

const keyOf = ({ ip = '' }: Request) => ipKeyGenerator(withoutPort(ip));

/** Some proxies forward `address:port`, which would count each connection as a separate client. */
function withoutPort(ip: string): string {
  const [, v4, v6] = /^(?:(\d+(?:\.\d+){3}):\d+|\[([^\]]+)\](?::\d+)?)$/.exec(ip) ?? [];
  return v4 ?? v6 ?? ip;
}
