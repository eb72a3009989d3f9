// The keys of the issuer, which the ID token of a sign-in is verified with (OpenID Connect Core §10.1.1).
// jose does it, since openid-client asks for changed keys once a minute at the most.
import { compactVerify, createRemoteJWKSet, customFetch, errors } from 'jose';
import type { CustomFetch } from 'openid-client';
import { SignInError } from './errors.ts';

const KEYS_FRESH_MS = 300_000;

const isKey = (value: unknown) => typeof value === 'object' && value && !Array.isArray(value);
type Key = Parameters<typeof compactVerify>[1];

/** The keys that an issuer publishes at its `jwks_uri`, fetched when a sign-in first needs them. */
export class IssuerKeys {
  readonly #set;
  #loadedAt = -Infinity;

  constructor(jwksUri: URL, fetch: CustomFetch) {
    // When to fetch is decided below.
    const always = { cacheMaxAge: Infinity, cooldownDuration: Infinity };
    this.#set = createRemoteJWKSet(jwksUri, {
      ...always,
      [customFetch]: async (url, options) => {
        const response = await fetch(url, { ...options, body: null, headers: {} });
        // One entry that is no object would have jose refuse the whole set.
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
   * Verifies the signature of an ID token from the token endpoint (§3.1.3.7 number 6). Nobody else can plant
   * one there, so a key that is not known is reason to ask for the keys at once: it may be new.
   * @throws SignInError `id_token_invalid`; `issuer_unreachable` or `issuer_timeout` where there are no keys to be had
   */
  async verify(idToken: string): Promise<void> {
    const isFresh = performance.now() - this.#loadedAt < KEYS_FRESH_MS;
    if (isFresh && (await this.#isSigned(idToken))) return;
    // A request under way may have begun before the key was published.
    if (this.#set.reloading) await this.#load();
    await this.#load();
    if (await this.#isSigned(idToken)) return;
    if (this.#set.jwks()?.keys.length === 0)
      throw new SignInError('issuer_unreachable', { hint: 'The JWKS has no keys.' });
    throw new SignInError('id_token_invalid', { hint: 'No key of the JWKS has signed it.' });
  }

  async #load(): Promise<void> {
    await this.#set.reload().catch((cause: unknown) => {
      const isLate = cause instanceof errors.JWKSTimeout;
      const code = isLate ? 'issuer_timeout' : 'issuer_unreachable';
      throw new SignInError(code, { cause, hint: 'The JWKS cannot be read.' });
    });
    this.#loadedAt = performance.now();
  }

  /** Whether one of the keys that fit has signed it: several do without a `kid`, or where one is listed twice. */
  async #isSigned(idToken: string): Promise<boolean> {
    // The algorithm is ours to choose, not the token's (number 7).
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
