// The issuer's signing keys, which verify the ID token of a sign-in (OpenID Connect Core §10.1.1).
// jose does this, because openid-client fetches changed keys at most once a minute.
import { compactVerify, createRemoteJWKSet, customFetch, errors } from 'jose';
import type { CustomFetch } from 'openid-client';
import { SignInError } from './errors.ts';

const KEYS_FRESH_MS = 300_000;

const isKey = (value: unknown) => typeof value === 'object' && value && !Array.isArray(value);
type Key = Parameters<typeof compactVerify>[1];

/** The keys at the issuer's `jwks_uri`, fetched when a sign-in first needs them. */
export class IssuerKeys {
  readonly #set;
  #loadedAt = -Infinity;

  constructor(jwksUri: URL, fetch: CustomFetch) {
    // `verify` decides when to fetch.
    const noOwnFetches = { cacheMaxAge: Infinity, cooldownDuration: Infinity };
    this.#set = createRemoteJWKSet(jwksUri, {
      ...noOwnFetches,
      [customFetch]: async (url, options) => {
        const response = await fetch(url, { ...options, body: null, headers: {} });
        // jose refuses the whole set if one entry is not an object.
        const body: unknown = await response
          .clone()
          .json()
          .catch(() => undefined);
        const { keys } = Object(body) as { keys?: unknown };
        if (response.status !== 200 || !Array.isArray(keys)) return response;
        return Response.json({ keys: keys.filter(isKey) });
      },
    });
  }

  /**
   * Verifies the signature of an ID token from the token endpoint (§3.1.3.7 number 6). Attackers
   * cannot plant one there, so an unknown key is reason enough to fetch the keys at once: it may be
   * new.
   * @throws SignInError `id_token_invalid`; `issuer_unreachable` or `issuer_timeout` if the keys
   * must be fetched and cannot be
   */
  async verify(idToken: string): Promise<void> {
    const isFresh = performance.now() - this.#loadedAt < KEYS_FRESH_MS;
    if (isFresh && (await this.#isSignatureValid(idToken))) return;
    // A fetch in progress may have begun before the key was published.
    if (this.#set.reloading) await this.#load();
    await this.#load();
    if (await this.#isSignatureValid(idToken)) return;
    if (this.#set.jwks()?.keys.length === 0)
      throw new SignInError('issuer_unreachable', { hint: 'The JWKS has no keys.' });
    throw new SignInError('id_token_invalid', { hint: 'No key in the JWKS signed it.' });
  }

  async #load(): Promise<void> {
    await this.#set.reload().catch((cause: unknown) => {
      const isTimeout = cause instanceof errors.JWKSTimeout;
      const code = isTimeout ? 'issuer_timeout' : 'issuer_unreachable';
      throw new SignInError(code, { cause, hint: 'The JWKS cannot be fetched.' });
    });
    this.#loadedAt = performance.now();
  }

  /** Whether a matching key signed it. Several match without a `kid`, or if one is listed twice. */
  async #isSignatureValid(idToken: string): Promise<boolean> {
    // We choose the algorithm, not the token (number 7).
    const failure = (key: Key) =>
      compactVerify(idToken, key, { algorithms: ['RS256'] }).then(
        () => undefined,
        (error: unknown) => error,
      );
    const first = await failure(this.#set);
    if (!(first instanceof errors.JWKSMultipleMatchingKeys)) return first === undefined;
    for await (const key of first) if ((await failure(key)) === undefined) return true;
    return false;
  }
}
