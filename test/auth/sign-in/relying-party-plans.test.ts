// What the OpenID Foundation's plans for relying parties do with an issuer, as far as no other test
// here does it: docs/conformance.md has the table.
import { exportJWK, generateKeyPair } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHostApp, type HostApp } from '../../support/app/host.ts';
import { signedAgain } from '../../support/authkit/hostile-issuer.ts';
import { json } from '../../support/authkit/issuer.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../../support/authkit/sign-in-issuer.ts';
import { Browser } from '../../support/browser/browser.ts';

const SECRET = 'a secret: 1+1';
let issuer: SignInIssuer;
let host: HostApp | undefined;
beforeEach(async () => {
  issuer = await startSignInIssuer();
});
afterEach(async () => {
  await host?.close();
  host = undefined;
  await issuer.close();
});

/** Signs in at a host app of this issuer; returns the response of its only page. */
async function signIn(clientSecret?: string, send = fetch) {
  const options = { issuer: new URL(issuer.url), clientId: CLIENT_ID, fetch: send };
  const secret = clientSecret !== undefined && { clientSecret };
  host = await startHostApp({ ...options, ...secret }, (server, auth) => {
    server.use(auth.session, auth.routes);
    server.get('/', auth.requireLogin, (req, res) => void res.send(req.user?.name));
  });
  return new Browser().open(host.url);
}

it('a secret is sent by client_secret_basic to an issuer that lists nothing else', async () => {
  const methods = { token_endpoint_auth_methods_supported: ['client_secret_basic'] };
  issuer.vary = { metadata: methods };
  const headers: (string | null)[] = [];
  const page = await signIn(SECRET, (input, init) => {
    if (new Request(input, init).url.endsWith('/oauth2/token'))
      headers.push(new Headers(init?.headers).get('authorization'));
    return fetch(input, init);
  });
  expect([page.status, page.body]).toEqual([200, 'Nora Test']);
  // Both are form-encoded first, so that a colon in one does not end it (RFC 6749 §2.3.1).
  const [id, secret, ...rest] = atob(headers[0]?.replace('Basic ', '') ?? '').split(':');
  const decoded = new URLSearchParams(`id=${id}&secret=${secret}`);
  expect([decoded.get('id'), decoded.get('secret'), rest]).toEqual([CLIENT_ID, SECRET, []]);
  expect(issuer.exchanges.map((form) => form.has('client_secret'))).toEqual([false]);
});

it('the keys come from the jwks_uri of the metadata, wherever it is', async () => {
  issuer.vary = { metadata: { jwks_uri: `${issuer.url}/keys/of-this-run` } };
  issuer.respondAt('/keys/of-this-run', (_req, res) => json(res, { keys: issuer.published }));
  expect((await signIn()).status).toBe(200);
  expect(issuer.hits.get('/keys/of-this-run')).toBe(1);
  expect(issuer.hits.get('/oauth2/jwks')).toBeUndefined();
});

describe('an issuer that lists and publishes ES256 alone', () => {
  it.each([
    ['a right signature', (idToken: string) => idToken],
    ['a wrong signature', (idToken: string) => idToken.replace(/.{4}$/, 'AAAA')],
  ])('is refused with %s', async (_what, bend) => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const kid = 'of-es256';
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
    issuer.published = [jwk];
    const sign = signedAgain({ alg: 'ES256', kid }, { kid, privateKey, publicKey, jwk });
    issuer.vary = {
      metadata: { id_token_signing_alg_values_supported: ['ES256'] },
      mangle: async (idToken) => bend(await sign(idToken)),
    };
    const page = await signIn();
    expect([page.status, page.body]).toEqual([502, '{"error":"id_token_invalid"}']);
  });
});
