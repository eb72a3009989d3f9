// Selects the keys that may sign access tokens from the issuer's JWKS (RFC 7517 §5).
import { createLocalJWKSet } from 'jose';
import type { JWK } from 'jose';
import { isObject, UpstreamError } from './discovery.ts';

/** The minimum of RFC 7518 §3.3. */
const MIN_MODULUS_BITS = 2048;

/** The usable keys of one JWKS response. */
export interface KeySet {
  /** Picks the key for a token's header; throws jose's error if none or several match. */
  readonly pick: ReturnType<typeof createLocalJWKSet>;
  /** Identified by id, modulus and exponent: an issuer may reuse a key id for another key. */
  readonly ids: ReadonlySet<string>;
}

/**
 * Takes a JWKS and returns its RSA keys for RS256, without duplicates. Other keys are skipped: one
 * malformed key must not take the API down.
 * @throws UpstreamError `bad_response` when the document is not a JWKS
 */
export async function readKeys(document: Record<string, unknown>): Promise<KeySet> {
  const list: unknown = document['keys'];
  if (!Array.isArray(list)) throw new UpstreamError('bad_response', 'the JWKS has no list of keys');
  const usable = await Promise.all(list.map(toSigningKey));
  const keys = new Map(
    usable.flatMap((jwk) => (jwk ? [[JSON.stringify([jwk.kid, jwk.n, jwk.e]), jwk]] : [])),
  );
  return { pick: createLocalJWKSet({ keys: [...keys.values()] }), ids: new Set(keys.keys()) };
}

// A private key published by mistake lets anyone who read it sign tokens, so it is skipped.
async function toSigningKey(jwk: unknown): Promise<JWK | undefined> {
  if (!isObject(jwk) || jwk['kty'] !== 'RSA' || 'd' in jwk) return undefined;
  try {
    // jose validates `use`, `alg`, `key_ops` and the numbers here, not when a token needs the key.
    const { algorithm } = await createLocalJWKSet({ keys: [jwk] })({ alg: 'RS256' });
    const bits = 'modulusLength' in algorithm ? Number(algorithm.modulusLength) : 0;
    return bits >= MIN_MODULUS_BITS ? jwk : undefined;
  } catch {
    return undefined;
  }
}
