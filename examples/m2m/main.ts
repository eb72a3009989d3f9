// A machine calls the API for itself, without a user (RFC 6749 section 4.4). Take the id and secret
// from a machine-to-machine application at AuthKit; never ship the secret to users.

import * as oauth from 'openid-client';

const { env } = process;
const issuer = new URL(env['AUTHKIT_ISSUER'] ?? 'http://localhost:4000');
const api = new URL(env['API_URL'] ?? 'http://localhost:3000');

const config = await oauth.discovery(
  issuer,
  env['M2M_CLIENT_ID'] ?? '',
  undefined,
  oauth.ClientSecretPost(env['M2M_CLIENT_SECRET'] ?? ''),
  // Plain http is for the local AuthKit only.
  { execute: issuer.hostname === 'localhost' ? [oauth.allowInsecureRequests] : [] },
);
// No refresh token comes with it: ask again shortly before `expiresIn()` is over.
const tokens = await oauth.clientCredentialsGrant(config);
const url = new URL('/api/me', api);
const answer = await oauth.fetchProtectedResource(config, tokens.access_token, url, 'GET');
process.stdout.write(`${JSON.stringify(await answer.json(), null, 2)}\n`);
