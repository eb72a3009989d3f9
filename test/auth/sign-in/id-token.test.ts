// The checks of the token response and its ID token (OpenID Connect Core §3.1.3.7). Each row has
// one flaw, signed by an issuer with real keys.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, untilReady, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn } from '../../support/browser/callback.ts';
import { base64url, signWithPublicKey } from '../../support/authkit/forge.ts';
import { makeKey } from '../../support/authkit/issuer.ts';
import {
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: issuer.env });
});
afterEach(() => {
  vi.useRealTimers();
  issuer.vary = {};
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

const now = () => Math.floor(Date.now() / 1000);
const withoutSignature = (idToken: string) => {
  const [, payload] = idToken.split('.');
  return `${base64url({ alg: 'none' })}.${payload}.`;
};
const withOtherPayload = (idToken: string) => {
  const [header, payload = '', signature] = idToken.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return `${header}.${base64url({ ...Object(claims), sub: 'user_admin' })}.${signature}`;
};

const flaws: [string, () => Variation | Promise<Variation>, string?][] = [
  ['another nonce', () => ({ idToken: { nonce: 'another' } })],
  ['no nonce', () => ({ idToken: { nonce: undefined } })],
  ['another audience', () => ({ idToken: { aud: 'client_other' } })],
  ['no audience', () => ({ idToken: { aud: undefined } })],
  ['several audiences and no azp', () => ({ idToken: { aud: ['client_of_the_tests', 'x'] } })],
  ['another issuer', () => ({ idToken: { iss: 'https://evil.example' } })],
  ['no subject', () => ({ idToken: { sub: undefined } })],
  ['no expiry', () => ({ idToken: { exp: undefined } })],
  ['no issue time', () => ({ idToken: { iat: undefined } })],
  ['an expiry long past', () => ({ idToken: { exp: now() - 120 } }), 'clock_skew'],
  ['an nbf in the future', () => ({ idToken: { nbf: now() + 120 } }), 'clock_skew'],
  [
    'a signature of another key under the published kid',
    async () => ({ idTokenKey: { ...(await makeKey()), kid: issuer.key.kid } }),
  ],
  ['a signature of an unpublished key', async () => ({ idTokenKey: await makeKey() })],
  ['alg none and no signature', () => ({ mangle: withoutSignature })],
  ['a changed payload', () => ({ mangle: withOtherPayload })],
  [
    'an HS256 signature made with the public key',
    () => ({ mangle: () => signWithPublicKey(issuer, issuer.key.publicKey) }),
  ],
  ['no ID token at all', () => ({ response: { id_token: undefined } }), 'response_invalid'],
  ['a malformed ID token', () => ({ response: { id_token: 'no.token' } })],
  ['no access token', () => ({ response: { access_token: undefined } }), 'response_invalid'],
  ['another token type', () => ({ response: { token_type: 'mac' } }), 'response_invalid'],
  [
    'a body of a megabyte',
    () => ({ response: { pad: 'x'.repeat(1_000_000) } }),
    'response_invalid',
  ],
];

describe.each(flaws)('a token response with %s', (_flaw, vary, code = 'id_token_invalid') => {
  it(`is refused as ${code}, and no session begins`, async () => {
    issuer.vary = await vary();
    const browser = new Browser();
    const page = await browser.open(`${app.url}/login?return_to=/profile`);
    expect([page.status, codeOn(page)]).toEqual([502, code]);
    expect(browser.jar.find('session')).toBeUndefined();
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    expect(JSON.stringify(app.log)).not.toMatch(/eyJ\w+\./);
  });
});

describe('a token response without a flaw', () => {
  it.each<[string, () => Variation]>([
    [
      'an ID token that expired 20 seconds ago (clock skew)',
      () => ({ idToken: { exp: now() - 20 } }),
    ],
    ['token_type in capitals', () => ({ response: { token_type: 'BEARER' } })],
    [
      'no scope, expires_in and refresh token',
      () => ({ response: { expires_in: undefined, refresh_token: undefined } }),
    ],
  ])('signs in with %s', async (_case, vary) => {
    issuer.vary = vary();
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
  });
});

describe('the iss parameter (RFC 9207)', () => {
  const promised = { authorization_response_iss_parameter_supported: true };

  it.each<[string, Variation, string | undefined]>([
    ['may be missing when the metadata does not promise it', {}, undefined],
    [
      'is refused when it names another issuer',
      { redirect: { iss: 'https://evil.example' } },
      'issuer_response_mismatch',
    ],
    [
      'is refused as missing when the metadata promises it',
      { metadata: promised },
      'issuer_response_mismatch',
    ],
  ])('%s', async (_case, variation, code) => {
    issuer.vary = variation;
    await app.restart();
    await untilReady(app);
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect(codeOn(page)).toBe(code);
  });

  it('is accepted when it names the issuer', async () => {
    issuer.vary = { metadata: promised, redirect: { iss: issuer.url } };
    await app.restart();
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
  });
});

it('a key published after the first sign-in is accepted a minute later', async () => {
  issuer.vary = {};
  await app.restart();
  const first = await new Browser().open(`${app.url}/login?return_to=/profile`);
  expect(first.status).toBe(200);
  const key = await makeKey();
  issuer.published.push(key.jwk);
  issuer.vary = { idTokenKey: key };
  // Not at once: unknown key ids must not make the app fetch the keys again and again.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
  const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
  expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
});
