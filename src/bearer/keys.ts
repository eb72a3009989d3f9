// The keys that may sign access tokens, out of what the issuer publishes (RFC 7517 §5).
import { importJWK } from 'jose';
import type { CryptoKey } from 'jose';
import { isObject, UpstreamError } from './discovery.ts';

const MOST_KEYS = 50;
/** Of a modulus of 2048 bits, in base64url. */
const SHORTEST_MODULUS = 342;

/** The keys of one answer, by key id. */
export interface KeySet {
  readonly issuer: string;
  readonly keys: ReadonlyMap<string, { key: CryptoKey; modulus: string }>;
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
}

/** Whether a key is gone, or its id now names another key. */
export function hasLostKey(previous: KeySet, next: KeySet): boolean {
  return [...previous.keys].some(([kid, { modulus }]) => next.keys.get(kid)?.modulus !== modulus);
}

/**
 * The RSA signing keys of at least 2048 bits (RFC 7518 §3.3) in a JWKS. The others are passed over:
 * one odd key must not take the API down.
 * @throws UpstreamError `bad_answer` when this is no JWKS
 */
export async function importKeys(document: Record<string, unknown>): Promise<KeySet['keys']> {
  const list = document['keys'];
  if (!Array.isArray(list)) throw new UpstreamError('bad_answer', 'the JWKS has no list of keys');
  const keys = new Map<string, { key: CryptoKey; modulus: string }>();
  for (const jwk of list.slice(0, MOST_KEYS)) {
    if (!isObject(jwk) || jwk['kty'] !== 'RSA' || 'd' in jwk) continue;
    const { kid, n, e, use = 'sig', alg = 'RS256' } = jwk;
    if (typeof kid !== 'string' || typeof n !== 'string' || typeof e !== 'string') continue;
    if (use !== 'sig' || alg !== 'RS256' || keys.has(kid) || n.length < SHORTEST_MODULUS) continue;
    const key = await importJWK({ kty: 'RSA', n, e }, 'RS256').catch(() => undefined);
    if (key !== undefined && !(key instanceof Uint8Array)) keys.set(kid, { key, modulus: n });
  }
  return keys;
}
