// Forged tokens: any header, any payload, any signature.

import { createHmac, createSign, KeyObject } from 'node:crypto';
import { CompactEncrypt, exportSPKI } from 'jose';
import type { CryptoKey } from 'jose';
import type { SigningKey, TestIssuer } from './issuer.ts';

export function base64url(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return Buffer.from(text).toString('base64url');
}

/** A token with exactly these bytes as header and payload, signed with this key. */
export function signBytes(header: unknown, payload: unknown, { privateKey }: SigningKey): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const signature = createSign('RSA-SHA256').update(input).sign(KeyObject.from(privateKey));
  return `${input}.${signature.toString('base64url')}`;
}

/** HS256 keyed with the published key as text, which a verifier that trusts `alg` accepts. */
export async function signWithPublicKey(
  issuer: TestIssuer,
  key: CryptoKey,
  claims: object = issuer.claims(),
): Promise<string> {
  const header = { alg: 'HS256', kid: issuer.key.kid };
  const input = `${base64url(header)}.${base64url(claims)}`;
  const hmac = createHmac('sha256', await exportSPKI(key)).update(input);
  return `${input}.${hmac.digest('base64url')}`;
}

/** A JWE in compact form, which has five parts. */
export function encrypt(issuer: TestIssuer): Promise<string> {
  const plaintext = new TextEncoder().encode(JSON.stringify(issuer.claims()));
  return new CompactEncrypt(plaintext)
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: issuer.key.kid })
    .encrypt(new Uint8Array(32));
}
