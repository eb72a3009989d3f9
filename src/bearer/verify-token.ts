// Signature first, then what the token says: RFC 9068 §4
// (https://www.rfc-editor.org/rfc/rfc9068), as far as AuthKit's tokens go.
import { errors, jwtVerify } from 'jose';
import type { CryptoKey, JWTHeaderParameters, JWTPayload } from 'jose';
import { BearerError } from './errors.ts';
import type { AccessToken } from './request.ts';
import type { Issuer } from './issuer.ts';
import { checkSyntax } from './read-token.ts';

/** What a token must say. */
export interface Expected {
  audience: string[];
  clientIds: readonly string[] | undefined;
  /** Seconds. */
  clockTolerance: number;
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
  const { issuer: iss } = await issuer.keys();
  try {
    const { audience, clockTolerance } = expected;
    // The algorithm is ours to choose, not the token's: no `none`, no HMAC keyed with a public key
    // (RFC 8725 §3.1). Keys come from the issuer alone: jku, x5u and jwk headers are not looked at.
    const { payload, protectedHeader } = await jwtVerify(token, (header) => keyOf(header, issuer), {
      algorithms: ['RS256'],
      issuer: iss,
      audience,
      clockTolerance,
      requiredClaims: ['exp', 'sub'],
    });
    return toAccessToken(protectedHeader, payload, expected);
  } catch (cause) {
    if (cause instanceof BearerError) throw cause;
    throw refused(reasonOf(cause), cause);
  }
}

// Decoders pass over other alphabets and over the last bits of the last character: one token would
// then have many spellings, each a new entry in caches and blocklists (RFC 4648 §3.5).
function isCanonicalJws(token: string): boolean {
  const signature = /^[\w-]+\.[\w-]+\.([\w-]+)$/.exec(token)?.[1] ?? '';
  return (
    signature !== '' && Buffer.from(signature, 'base64url').toString('base64url') === signature
  );
}

async function keyOf({ kid }: JWTHeaderParameters, issuer: Issuer): Promise<CryptoKey> {
  const key = kid === undefined ? undefined : await issuer.key(kid);
  if (key === undefined) throw refused('unknown_key');
  return key;
}

function toAccessToken(
  { typ }: JWTHeaderParameters,
  claims: JWTPayload,
  { clientIds }: Expected,
): AccessToken {
  // RFC 8725 §3.11. AuthKit sets no typ; one that names another kind, such as logout+jwt, is not ours.
  if (typ !== undefined && !/^(application\/)?(at\+)?jwt$/i.test(typ))
    throw refused('not_an_access_token');
  // ID tokens have the same issuer and keys, and where the application's own client id is accepted as
  // audience, the same `aud`: they are told apart by what only one of the two has.
  const isIdToken = 'nonce' in claims || 'at_hash' in claims;
  const hasAccessClaims = 'jti' in claims || 'client_id' in claims || 'scope' in claims;
  if (isIdToken || !hasAccessClaims) throw refused('not_an_access_token');
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
  return Object.freeze({
    sub,
    clientId,
    orgId,
    scopes,
    expiresAt,
    isMachine,
    claims: Object.freeze(claims),
  });
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

// jose names what failed by a code; its message and its claims stay out of the log.
function reasonOf(cause: unknown): string {
  return cause instanceof errors.JOSEError ? cause.code : 'malformed';
}
