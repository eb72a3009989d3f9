// Verifies the signature, then the claims: RFC 9068 §4
// (https://www.rfc-editor.org/rfc/rfc9068), as far as AuthKit's tokens follow it.
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyOptions, JWTVerifyResult } from 'jose';
import { BearerError } from './errors.ts';
import type { Issuer } from './issuer.ts';
import type { KeySet } from './keys.ts';
import { checkSyntax } from './read-token.ts';
import type { AccessToken } from './request.ts';

const CLOCK_TOLERANCE_S = 5;
/** Claims that only ID tokens have: OpenID Connect Core §2, §3.1.3.6 and §3.3.2.11. */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash'];
/** Claims of ID tokens (§2) that access tokens for another audience may have (RFC 9068 §2.2.1). */
const SIGN_IN_CLAIMS = ['auth_time', 'acr', 'amr', 'azp'];

/** The requirements on a token. */
export interface Expected {
  /** `aud` must contain one of these: the environment's client id, or the resource indicator. */
  audience: string | readonly string[];
  /** Your own application's client id, if it has one: the `aud` of its ID tokens. */
  idTokenAudience?: string;
  /** Accept tokens of these applications only. Default: all of the environment (they share `aud`). */
  clientIds?: readonly string[];
  /** The clock skew to tolerate; default 5 s. */
  clockToleranceSeconds?: number;
}

/**
 * Verifies signature, issuer, audience and expiry, and returns the token's claims (RFC 9068 §4).
 * @throws BearerError `invalid_request`, `invalid_token` or `keys_unreachable`
 */
export async function verifyToken(
  token: string,
  issuer: Issuer,
  expected: Expected & { audience: string[] },
): Promise<AccessToken> {
  const options: JWTVerifyOptions = {
    audience: expected.audience,
    clockTolerance: expected.clockToleranceSeconds ?? CLOCK_TOLERANCE_S,
    requiredClaims: ['exp', 'sub'],
  };
  try {
    const verified = await verifyJwt(token, issuer, options);
    if (!isAccessToken(verified, expected.idTokenAudience)) throw invalid('not_an_access_token');
    return toAccessToken(verified.payload, expected.clientIds);
  } catch (cause) {
    // Malformed syntax has a code of its own. A token that was verified needs no second scan.
    checkSyntax(token);
    if (cause instanceof BearerError) throw cause;
    // Only jose's error code reaches the log: its message and claims may hold values of the token.
    throw invalid(cause instanceof errors.JOSEError ? cause.code : 'malformed', cause);
  }
}

/**
 * Verifies a JWT of the issuer, of whatever type, with its keys: fetched anew for an unknown key, as
 * rarely as `Issuer` allows.
 * @throws BearerError `invalid_token` or `keys_unreachable`, and jose's errors
 */
export async function verifyJwt(token: string, issuer: Issuer, claims: JWTVerifyOptions) {
  if (!isCanonicalJws(token)) throw invalid('malformed');
  const keys = issuer.current() ?? (await issuer.keys());
  // The token must not choose the algorithm, or it could use `none`, or HMAC keyed with a public
  // key (RFC 8725 §3.1).
  const required = { algorithms: ['RS256'], issuer: issuer.identifier };
  // Not a spread: jose then reads each option more slowly (10 µs a token on Node 20).
  const options = Object.assign({}, claims, required);
  return verifyBy(keys, token, options).catch(async (cause: unknown) => {
    const newer = isKeyUnknown(cause, token) ? await issuer.keysAfter(keys) : undefined;
    if (newer === undefined) throw cause;
    return verifyBy(newer, token, options);
  });
}

// Decoders tolerate other alphabets and ignore the last bits of the last character. One token would
// then have many spellings, each a new entry in caches and a bypass of blocklists (RFC 4648 §3.5).
const isCanonicalJws = (token: string) =>
  /^[\w-]+\.[\w-]+\.(?=.)(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/.test(token);

// Named, so that an app with `declaration` compiles.
type Verified = Promise<JWTVerifyResult>;

// Keys come from the issuer only: the headers jku, x5u and jwk are ignored (RFC 8725 §3.10).
async function verifyBy({ pick }: KeySet, token: string, options: JWTVerifyOptions): Verified {
  try {
    return await jwtVerify(token, pick, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // `kid` is optional (RFC 7515 §4.1.4) and need not be unique (RFC 7517 §4.5), so try each key.
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (cause) {
        if (!(cause instanceof errors.JWSSignatureVerificationFailed)) throw cause;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

// A token without `kid` that none of our keys verifies may be signed with a newer key. If its `kid`
// is one of ours, a wrong signature means a forgery, which is not worth a fetch.
function isKeyUnknown(cause: unknown, token: string): boolean {
  if (cause instanceof errors.JWKSNoMatchingKey) return true;
  const isUnverified = cause instanceof errors.JWSSignatureVerificationFailed;
  return isUnverified && decodeProtectedHeader(token).kid === undefined;
}

// ID tokens have the same issuer and keys, and an application's client id as `aud`. For that
// audience, a token must have what no ID token has. For others, AuthKit's older access tokens pass
// too: they lack `scope` and `client_id`, but are for a machine or have a consent as `sid`.
function isAccessToken({ payload, protectedHeader }: JWTVerifyResult, own?: string): boolean {
  const { sub, sid, aud } = payload;
  const has = (names: string[]) => names.some((name) => name in payload);
  // RFC 8725 §3.11. AuthKit sets no `typ`; refuse tokens of another type, such as logout+jwt.
  const type = /^(?:application\/)?(at\+)?jwt$/i.exec(protectedHeader.typ ?? 'JWT');
  if (type === null || has(ID_TOKEN_CLAIMS)) return false;
  const isMarked = type[1] !== undefined || has(['scope', 'client_id']);
  if (own !== undefined && [aud].flat().includes(own)) return isMarked && !has(SIGN_IN_CLAIMS);
  const isOlder = String(sub).startsWith('client_') || String(sid).startsWith('app_consent_');
  return isMarked || (isOlder && !has(SIGN_IN_CLAIMS));
}

function toAccessToken(claims: JWTPayload, clientIds?: readonly string[]): AccessToken {
  const sub = text(claims, 'sub') ?? '';
  const client = text(claims, 'client_id');
  // For a machine, AuthKit puts the client id in `sub`; its older tokens lack `client_id`.
  const isMachine = sub === client || (client === undefined && sub.startsWith('client_'));
  const clientId = client ?? (isMachine ? sub : undefined);
  if (sub === '') throw invalid('no_subject');
  if (clientIds !== undefined && (clientId === undefined || !clientIds.includes(clientId))) {
    throw invalid('foreign_client');
  }
  const scopes = Object.freeze((text(claims, 'scope') ?? '').split(' ').filter(Boolean));
  const orgId = text(claims, 'org_id');
  const expiresAt = Number(claims.exp);
  if (!Number.isFinite(expiresAt)) throw invalid('odd_exp'); // 1e999 in JSON would never expire
  // Frozen, because all requests with a remembered token share the object.
  Object.freeze(claims);
  return Object.freeze({ sub, clientId, orgId, scopes, expiresAt, isMachine, claims });
}

function text(claims: JWTPayload, name: string): string | undefined {
  const value = claims[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`odd_${name}`);
}

function invalid(reason: string, cause?: unknown): BearerError {
  const message = 'The access token is not valid or has expired';
  return new BearerError('invalid_token', message, { reason, cause });
}
