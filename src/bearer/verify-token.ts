// Signature first, then what the token says: RFC 9068 §4
// (https://www.rfc-editor.org/rfc/rfc9068), as far as AuthKit's tokens go.
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyOptions, JWTVerifyResult } from 'jose';
import { BearerError } from './errors.ts';
import type { Issuer } from './issuer.ts';
import type { KeySet } from './keys.ts';
import { checkSyntax } from './read-token.ts';
import type { AccessToken } from './request.ts';

const CLOCK_TOLERANCE_S = 5;
/** OpenID Connect Core §2, §3.1.3.6 and §3.3.2.11. */
const OF_ID_TOKENS = ['nonce', 'at_hash', 'c_hash'];
/** §2 too, and an access token of another audience may have them (RFC 9068 §2.2.1). */
const OF_SIGN_INS = ['auth_time', 'acr', 'amr', 'azp'];

/** What a token must say. */
export interface Expected {
  /** One of these must be in `aud`: the environment's client id, or the resource indicator. */
  audience: string | readonly string[];
  /** The client id of your own application, if it has one: the `aud` of its ID tokens. */
  idTokenAudience?: string;
  /** Applications whose tokens are taken; default: all, since all of an environment share `aud`. */
  clientIds?: readonly string[];
  /** How far the clocks may be apart; default 5 s. */
  clockToleranceSeconds?: number;
}

/**
 * The token's claims, once signature, issuer, audience and expiry are found right (RFC 9068 §4).
 * @throws BearerError `invalid_request`, `invalid_token` or `keys_unreachable`
 */
export async function verifyToken(
  token: string,
  issuer: Issuer,
  expected: Expected,
): Promise<AccessToken> {
  checkSyntax(token);
  if (!isCanonicalJws(token)) throw refused('malformed');
  const keys = await issuer.keys();
  // The algorithm is ours to choose, not the token's: no `none`, no HMAC keyed with a public key
  // (RFC 8725 §3.1).
  const options: JWTVerifyOptions = {
    algorithms: ['RS256'],
    issuer: issuer.identifier,
    audience: [expected.audience].flat(),
    clockTolerance: expected.clockToleranceSeconds ?? CLOCK_TOLERANCE_S,
    requiredClaims: ['exp', 'sub'],
  };
  try {
    const verified = await verifyBy(keys, token, options).catch(async (cause: unknown) => {
      const newer = isKeyUnknown(cause, token) ? await issuer.keysAfter(keys) : undefined;
      if (newer === undefined) throw cause;
      return verifyBy(newer, token, options);
    });
    if (!isAccessToken(verified, expected.idTokenAudience)) throw refused('not_an_access_token');
    return toAccessToken(verified.payload, expected.clientIds);
  } catch (cause) {
    if (cause instanceof BearerError) throw cause;
    // jose names what failed by a code; its message and its claims stay out of the log.
    throw refused(cause instanceof errors.JOSEError ? cause.code : 'malformed', cause);
  }
}

// Decoders pass over other alphabets and over the last bits of the last character: one token would
// then have many spellings, each a new entry in caches and blocklists (RFC 4648 §3.5).
function isCanonicalJws(token: string): boolean {
  const signature = /^[\w-]+\.[\w-]+\.([\w-]+)$/.exec(token)?.[1];
  return Buffer.from(signature ?? '', 'base64url').toString('base64url') === signature;
}

// Keys come from the issuer alone: jku, x5u and jwk headers are not looked at (RFC 8725 §3.10).
async function verifyBy({ pick }: KeySet, token: string, options: JWTVerifyOptions) {
  try {
    return await jwtVerify(token, pick, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    // `kid` is optional (RFC 7515 §4.1.4) and need not be unique (RFC 7517 §4.5): any may have signed.
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

// A token without `kid` that none of our keys signed may be signed by a newer one. Where `kid` names
// one of ours, a wrong signature is a forgery and not worth a fetch.
function isKeyUnknown(cause: unknown, token: string): boolean {
  if (cause instanceof errors.JWKSNoMatchingKey) return true;
  const isUnverified = cause instanceof errors.JWSSignatureVerificationFailed;
  return isUnverified && decodeProtectedHeader(token).kid === undefined;
}

// ID tokens have the same issuer and keys, and the client id of an application as `aud`. Where that is
// accepted, a token must show its kind by what an ID token never has. Elsewhere AuthKit's older access
// tokens pass too: without `scope` and `client_id`, but for a machine or with a consent as `sid`.
function isAccessToken({ payload, protectedHeader }: JWTVerifyResult, own?: string): boolean {
  const { sub, sid, aud } = payload;
  const has = (names: string[]) => names.some((name) => name in payload);
  // RFC 8725 §3.11. AuthKit sets no typ; one that names another kind, such as logout+jwt, is not ours.
  const kind = /^(?:application\/)?(at\+)?jwt$/i.exec(protectedHeader.typ ?? 'JWT');
  if (kind === null || has(OF_ID_TOKENS)) return false;
  const showsKind = kind[1] !== undefined || has(['scope', 'client_id']);
  if (own !== undefined && [aud].flat().includes(own)) return showsKind && !has(OF_SIGN_INS);
  const isOlder = String(sub).startsWith('client_') || String(sid).startsWith('app_consent_');
  return showsKind || (isOlder && !has(OF_SIGN_INS));
}

function toAccessToken(claims: JWTPayload, clientIds?: readonly string[]): AccessToken {
  const sub = text(claims, 'sub') ?? '';
  const client = text(claims, 'client_id');
  // For machines AuthKit puts the client id in `sub`; older tokens of theirs lack `client_id`.
  const isMachine = sub === client || (client === undefined && sub.startsWith('client_'));
  const clientId = client ?? (isMachine ? sub : undefined);
  if (sub === '') throw refused('no_subject');
  if (clientIds !== undefined && (clientId === undefined || !clientIds.includes(clientId))) {
    throw refused('foreign_client');
  }
  const scopes = Object.freeze((text(claims, 'scope') ?? '').split(' ').filter(Boolean));
  const orgId = text(claims, 'org_id');
  const expiresAt = Number(claims.exp);
  if (!Number.isFinite(expiresAt)) throw refused('odd_exp'); // JSON's 1e999 never expires
  // Frozen: a remembered token is shared by all requests that bring it.
  Object.freeze(claims);
  return Object.freeze({ sub, clientId, orgId, scopes, expiresAt, isMachine, claims });
}

function text(claims: JWTPayload, name: string): string | undefined {
  const value = claims[name];
  if (value === undefined || typeof value === 'string') return value;
  throw refused(`odd_${name}`);
}

function refused(reason: string, cause?: unknown): BearerError {
  const message = 'The access token is not valid or has expired';
  return new BearerError('invalid_token', message, { reason, cause });
}
