// Authorization header -> verified access token in `req.accessToken`: reads the token
// (read-token.ts) and, unless it is remembered, verifies it (verify-token.ts).
import { hash, randomBytes } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { BearerError } from './errors.ts';
import { Issuer } from './issuer.ts';
import { readBearerToken } from './read-token.ts';
import type { AccessToken } from './request.ts';
import { verifyToken, type Expected } from './verify-token.ts';

/**
 * A cache for verified tokens that limits their number, such as LRUCache of lru-cache. The guard
 * checks the expiry itself. Give each guard its own.
 */
export interface TokenMemory {
  get(key: string): AccessToken | undefined;
  set(key: string, value: AccessToken): unknown;
  clear(): void;
}

export interface AccessTokenOptions extends Expected {
  /** The issuer's URL, or an Issuer shared by several guards. */
  issuer: string | URL | Issuer;
  verifiedTokens?: TokenMemory;
}

/**
 * Takes the requirements on a token and returns the guard that sets `req.accessToken`.
 * @throws TypeError at once if `audience` is empty
 * @throws BearerError on a request: `missing_token`, `invalid_request`, `invalid_token`,
 *   `keys_unreachable`
 */
export function requireAccessToken(options: AccessTokenOptions): RequestHandler {
  const { verifiedTokens: memory } = options;
  const issuer = options.issuer instanceof Issuer ? options.issuer : new Issuer(options.issuer);
  const expected = { ...options, audience: [options.audience].flat() };
  const { audience } = expected;
  // An unset setting must not become the audience '', for which anyone might get a token.
  if (audience.length === 0 || audience.includes('')) throw new TypeError('audience is empty');
  let salt = newSalt();
  let keyGeneration = issuer.keyGeneration;
  return (req, _res, next) => {
    const token = readBearerToken(req);
    const hasKeys = issuer.current() !== undefined;
    if (issuer.keyGeneration !== keyGeneration) {
      // Forgets tokens signed by a withdrawn key; the new salt outdates verifications in progress.
      keyGeneration = issuer.keyGeneration;
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
      if (digest) memory.set(digest, accessToken);
      req.accessToken = accessToken;
      return next();
    });
  };
}

/** The token of a guarded request. @throws BearerError `missing_token` if no guard ran */
export function currentAccessToken(req: Request): AccessToken {
  if (req.accessToken !== undefined) return req.accessToken;
  throw new BearerError('missing_token', 'An access token is required');
}

// A memory dump shows salted digests only: it does not even reveal whether a token known from
// elsewhere was used here.
const newSalt = () => randomBytes(32).toString('base64url');
