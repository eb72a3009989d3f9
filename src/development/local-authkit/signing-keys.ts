// The keys that sign tokens. AuthKit publishes RSA keys, each with a certificate and a `kid` that
// consists of a prefix and a ULID. The first key in the list signs; all keys are published.

import { createHash, generateKeyPair, type JsonWebKey } from 'node:crypto';
import { promisify } from 'node:util';
import { selfSignedCertificate } from './certificate.ts';
import { ulid } from './identifiers.ts';

export interface SigningKey {
  kid: string;
  /** Private JWK. */
  jwk: JsonWebKey;
  /** DER certificate in base64. */
  x5c: string;
  /** Published, and used for signing after the next rotation. */
  isNext?: boolean;
}

/** Creates a 2048-bit RSA key with a `kid` in AuthKit's format. */
export async function newSigningKey(): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const kid = `sso_oidc_key_pair_${ulid()}`;
  return {
    kid,
    jwk: privateKey.export({ format: 'jwk' }),
    x5c: selfSignedCertificate(privateKey, kid).toString('base64'),
  };
}

/** Returns the members of a public key as AuthKit's JWKS shows them (RFC 7517 §4). */
export function toPublicJwk({ kid, jwk, x5c }: SigningKey) {
  const thumbprint = createHash('sha256').update(Buffer.from(x5c, 'base64')).digest('base64url');
  return {
    alg: 'RS256',
    kty: 'RSA',
    use: 'sig',
    x5c: [x5c],
    n: jwk.n ?? '',
    e: jwk.e ?? '',
    kid,
    'x5t#S256': thumbprint,
  };
}
