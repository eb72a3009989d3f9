// What is wrong with an ID token refuses the sign-in; one row is one flaw. At an issuer with real
// keys that signs what each row asks for (OpenID Connect Core §3.1.3.7).
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
  ['a start in the future', () => ({ idToken: { nbf: now() + 120 } }), 'clock_skew'],
  [
    'a key of somebody else',
    async () => ({ idTokenKey: { ...(await makeKey()), kid: issuer.key.kid } }),
  ],
  ['a key that is not published', async () => ({ idTokenKey: await makeKey() })],
  ['no signature', () => ({ mangle: withoutSignature })],
  ['a payload that was changed', () => ({ mangle: withOtherPayload })],
  [
    'HS256 with the public key',
    () => ({ mangle: () => signWithPublicKey(issuer, issuer.key.publicKey) }),
  ],
  ['no ID token at all', () => ({ response: { id_token: undefined } }), 'response_invalid'],
  ['what is no token', () => ({ response: { id_token: 'no.token' } })],
  ['no access token', () => ({ response: { access_token: undefined } }), 'response_invalid'],
  ['another token type', () => ({ response: { token_type: 'mac' } }), 'response_invalid'],
  [
    'an answer of a megabyte',
    () => ({ response: { pad: 'x'.repeat(1_000_000) } }),
    'response_invalid',
  ],
];

describe.each(flaws)('%s', (_flaw, vary, code = 'id_token_invalid') => {
  it(`is refused as ${code}, and nobody is signed in`, async () => {
    issuer.vary = await vary();
    const browser = new Browser();
    const page = await browser.open(`${app.url}/login?return_to=/profile`);
    expect([page.status, codeOn(page)]).toEqual([502, code]);
    expect(browser.jar.find('session')).toBeUndefined();
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    expect(JSON.stringify(app.log)).not.toMatch(/eyJ\w+\./);
  });
});

describe('what is no flaw', () => {
  it.each<[string, () => Variation]>([
    ['clocks that differ by 20 seconds', () => ({ idToken: { exp: now() - 20 } })],
    ['a token type in capitals', () => ({ response: { token_type: 'BEARER' } })],
    [
      'a response without scope, expiry and refresh token',
      () => ({ response: { expires_in: undefined, refresh_token: undefined } }),
    ],
  ])('%s', async (_case, vary) => {
    issuer.vary = vary();
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
  });
});

describe('the iss parameter (RFC 9207)', () => {
  const promised = { authorization_response_iss_parameter_supported: true };

  it.each<[string, Variation, string | undefined]>([
    ['may be missing where nothing is promised', {}, undefined],
    [
      'is refused when it is wrong',
      { redirect: { iss: 'https://evil.example' } },
      'issuer_response_mismatch',
    ],
    ['may not be missing where it is promised', { metadata: promised }, 'issuer_response_mismatch'],
  ])('%s', async (_case, variation, code) => {
    issuer.vary = variation;
    await app.restart();
    await untilReady(app);
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect(codeOn(page)).toBe(code);
  });

  it('is accepted when it is right', async () => {
    issuer.vary = { metadata: promised, redirect: { iss: issuer.url } };
    await app.restart();
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
  });
});

it('signs in with a key that appeared after the first sign-in, a minute later', async () => {
  issuer.vary = {};
  await app.restart();
  const first = await new Browser().open(`${app.url}/login?return_to=/profile`);
  expect(first.status).toBe(200);
  const key = await makeKey();
  issuer.published.push(key.jwk);
  issuer.vary = { idTokenKey: key };
  // Not at once: an unknown key id must not make the app ask for the keys again and again.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
  const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
  expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
});
