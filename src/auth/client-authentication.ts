// How this application authenticates at the issuer's endpoints.
import * as client from 'openid-client';

/**
 * A method for the client secret, or openid-client's `ClientAuth` for another one, such as
 * `PrivateKeyJwt` (RFC 7523).
 */
export type ClientAuthentication = keyof typeof WITH_SECRET | client.ClientAuth;

const WITH_SECRET = {
  client_secret_post: client.ClientSecretPost,
  client_secret_basic: client.ClientSecretBasic,
};

/** Chooses the method, and names it for the log and for hints. */
export function chooseAuthentication(
  clientSecret: string | undefined,
  configured: ClientAuthentication | undefined,
  metadata: client.ServerMetadata,
): { method: string; authenticate: client.ClientAuth } {
  if (typeof configured === 'function') return { method: 'a ClientAuth', authenticate: configured };
  if (clientSecret === undefined) return { method: 'none', authenticate: client.None() };
  const method = configured ?? advertisedMethod(metadata);
  return { method, authenticate: WITH_SECRET[method](clientSecret) };
}

/** AuthKit documents client_secret_post; without a list, Basic is meant (OIDC Discovery §3). */
function advertisedMethod(metadata: client.ServerMetadata) {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const isBasicOnly =
    methods.includes('client_secret_basic') && !methods.includes('client_secret_post');
  return isBasicOnly ? 'client_secret_basic' : 'client_secret_post';
}
