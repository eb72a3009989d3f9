// Authorization header -> verified access token on `req.accessToken`: reads it (read-token.ts),
// verifies it (verify-token.ts) unless it is remembered, and hands it on.
import { hash, randomBytes } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { BearerError } from './errors.ts';
import type { AccessToken } from './request.ts';
import { Issuer } from './issuer.ts';
import { readBearerToken } from './read-token.ts';
import { verifyToken } from './verify-token.ts';
import type { Expected } from './verify-token.ts';

const CLOCK_TOLERANCE_S = 5;

/** Where verified tokens may be remembered: an LRUCache of lru-cache fits. Give each guard its own. */
export interface TokenMemory {
  get(key: string): AccessToken | undefined;
  /** `ttl` in milliseconds. */
  set(key: string, value: AccessToken, options: { ttl: number }): unknown;
  clear(): void;
}

export interface AccessTokenOptions {
  /** The issuer URL, or an Issuer that several guards share. */
  issuer: string | URL | Issuer;
  /** One of these must be in `aud`: the environment's client id, or the resource indicator. */
  audience: string | readonly string[];
  /** Applications whose tokens are taken; default: all, since all of an environment share `aud`. */
  clientIds?: readonly string[];
  /** How far the clocks may be apart; default 5 s. */
  clockToleranceSeconds?: number;
  verifiedTokens?: TokenMemory;
}

/**
 * Takes what a token must say and returns the guard that sets `req.accessToken`.
 * @throws TypeError at once where no audience is named
 * @throws BearerError on a request: `missing_token`, `invalid_request`, `invalid_token`,
 *   `keys_unreachable`
 */
export function requireAccessToken(options: AccessTokenOptions): RequestHandler {
  const { audience, clientIds, clockToleranceSeconds, verifiedTokens: memory } = options;
  const issuer = options.issuer instanceof Issuer ? options.issuer : new Issuer(options.issuer);
  const audiences = [audience].flat();
  // An unset setting must not become an audience that anybody can be issued a token for.
  if (audiences.length === 0 || audiences.includes('')) throw new TypeError('audience is empty');
  const expected: Expected = {
    audience: audiences,
    clientIds,
    clockTolerance: clockToleranceSeconds ?? CLOCK_TOLERANCE_S,
  };
  let salt = newSalt();
  let keysLeft = issuer.keysLeft;
  return (req, _res, next) => {
    const token = readBearerToken(req);
    const hasKeys = issuer.current() !== undefined;
    if (issuer.keysLeft !== keysLeft) {
      // What a withdrawn key signed is forgotten; the new salt also outdates what is being verified.
      keysLeft = issuer.keysLeft;
      salt = newSalt();
      memory?.clear();
    }
    const digest = memory && hash('sha256', salt + token, 'base64');
    const known = digest && memory.get(digest);
    if (known && hasKeys && known.expiresAt * 1000 > Date.now()) {
      req.accessToken = known;
      next();
      return undefined;
    }
    return verifyToken(token, issuer, expected).then((accessToken) => {
      const ttl = accessToken.expiresAt * 1000 - Date.now();
      if (digest && ttl > 0) memory.set(digest, accessToken, { ttl });
      req.accessToken = accessToken;
      return next();
    });
  };
}

/** The token of a guarded request. @throws BearerError `missing_token` where no guard ran */
export function currentAccessToken(req: Request): AccessToken {
  if (req.accessToken !== undefined) return req.accessToken;
  throw new BearerError('missing_token', 'This needs an access token');
}

// A dump of the memory shows digests only, and salted ones: not even whether a token that is known
// from elsewhere was used here.
function newSalt(): string {
  return randomBytes(32).toString('base64url');
}
