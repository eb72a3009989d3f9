// A machine calls the API on its own behalf, without a user (RFC 6749 section 4.4). Use the id and
// secret of a machine-to-machine application at AuthKit; never ship the secret to users.

import * as oauth from 'openid-client';
import { EnvHttpProxyAgent, install, setGlobalDispatcher } from 'undici';

// Https goes through HTTPS_PROXY, except to NO_PROXY; plain http stays on this machine.
setGlobalDispatcher(new EnvHttpProxyAgent({ httpProxy: '' }));
install();

const { env } = process;
const issuer = new URL(env['AUTHKIT_ISSUER'] || 'http://localhost:4000');
const api = new URL(env['API_URL'] || 'http://localhost:3000');

const config = await oauth.discovery(
  issuer,
  env['M2M_CLIENT_ID'] ?? '',
  undefined,
  oauth.ClientSecretPost(env['M2M_CLIENT_SECRET'] ?? ''),
  // Plain http is for the local AuthKit only.
  { execute: issuer.hostname === 'localhost' ? [oauth.allowInsecureRequests] : [] },
);
// There is no refresh token: request a new access token shortly before it expires (`expiresIn()`).
const tokens = await oauth.clientCredentialsGrant(config).catch(explain);
const url = new URL('/api/me', api);
const response = await oauth.fetchProtectedResource(config, tokens.access_token, url, 'GET');
if (!response.ok) throw new Error(`The API responded with status ${response.status}.`);
process.stdout.write(`${JSON.stringify(await response.json(), null, 2)}\n`);

/** AuthKit challenges a client that it does not authenticate (RFC 6749 section 5.2). */
function explain(cause: unknown): never {
  if (!(cause instanceof oauth.WWWAuthenticateChallengeError) || cause.status !== 401) throw cause;
  throw new Error('AuthKit refused M2M_CLIENT_ID or M2M_CLIENT_SECRET (invalid_client).', {
    cause,
  });
}
