// The negative cases of the OpenID Foundation's plan for relying parties (code flow), and further
// ones of OpenID Connect Core §3.1.3.7. Each row bends one step of a sign-in. The page shows an
// error code, the session stays as it was, the token endpoint is asked once, and the attempt can
// still be completed when the issuer behaves.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn, whoIs } from '../../support/browser/callback.ts';
import {
  keyedWith,
  signedAgain,
  signedWith,
  startHostileIssuer,
  withHeader,
  type Forge,
  type HostileIssuer,
} from '../../support/authkit/hostile-issuer.ts';
import { CLIENT_ID, type Variation } from '../../support/authkit/sign-in-issuer.ts';

const SECRET = 'a-client-secret-of-the-tests';
const now = () => Math.floor(Date.now() / 1000);
const bad = (idToken: Record<string, unknown>): Variation => ({ idToken });
const forged = (mangle: Forge): Variation => ({ mangle });

let issuer: HostileIssuer;
let app: TestApp;

type Row = [what: string, bend: (issuer: HostileIssuer) => Variation, status: number, code: string];

const claims: Row[] = [
  [
    'the iss of another issuer',
    () => bad({ iss: 'https://evil.example' }),
    502,
    'id_token_invalid',
  ],
  ['an iss with one slash too many', ({ url }) => bad({ iss: `${url}/` }), 502, 'id_token_invalid'],
  ['no iss', () => bad({ iss: undefined }), 502, 'id_token_invalid'],
  ['the aud of another client', () => bad({ aud: 'client_of_others' }), 502, 'id_token_invalid'],
  ['no aud', () => bad({ aud: undefined }), 502, 'id_token_invalid'],
  ['an empty list as aud', () => bad({ aud: [] }), 502, 'id_token_invalid'],
  ['a second aud beside ours', () => bad({ aud: [CLIENT_ID, 'b'] }), 502, 'id_token_invalid'],
  [
    'a second aud beside ours, and our azp',
    () => bad({ aud: [CLIENT_ID, 'b'], azp: CLIENT_ID }),
    502,
    'id_token_invalid',
  ],
  ['the azp of another client', () => bad({ azp: 'client_of_others' }), 502, 'id_token_invalid'],
  ['no sub', () => bad({ sub: undefined }), 502, 'id_token_invalid'],
  ['an empty sub', () => bad({ sub: '' }), 502, 'id_token_invalid'],
  ['a number as sub', () => bad({ sub: 1 }), 502, 'id_token_invalid'],
  ['a sub of 256 characters', () => bad({ sub: 'u'.repeat(256) }), 502, 'id_token_invalid'],
  ['no nonce', () => bad({ nonce: undefined }), 502, 'id_token_invalid'],
  ['another nonce', () => bad({ nonce: 'another' }), 502, 'id_token_invalid'],
  ['no exp', () => bad({ exp: undefined }), 502, 'id_token_invalid'],
  ['an exp that is text', () => bad({ exp: String(now() + 300) }), 502, 'id_token_invalid'],
  ['an exp in the past', () => bad({ exp: now() - 60 }), 502, 'clock_skew'],
  ['no iat', () => bad({ iat: undefined }), 502, 'id_token_invalid'],
  ['an iat that is text', () => bad({ iat: String(now()) }), 502, 'id_token_invalid'],
  ['an iat in the future', () => bad({ iat: now() + 60, exp: now() + 300 }), 502, 'clock_skew'],
  ['an iat before the sign-in', () => bad({ iat: now() - 3_600 }), 502, 'clock_skew'],
  ['an nbf in the future', () => bad({ nbf: now() + 60 }), 502, 'clock_skew'],
];

const signatures: Row[] = [
  ['alg none', () => forged(withHeader({ alg: 'none' }, '')), 502, 'id_token_invalid'],
  [
    'alg none under a published kid, with a signature',
    ({ key }) => forged(withHeader({ alg: 'none', kid: key.kid })),
    502,
    'id_token_invalid',
  ],
  ['HS256 with the client secret', () => forged(keyedWith(SECRET)), 502, 'id_token_invalid'],
  [
    'HS256 with the published key',
    ({ key }) => forged(keyedWith(JSON.stringify(key.jwk))),
    502,
    'id_token_invalid',
  ],
  ...['RS384', 'RS512', 'PS256', 'ES256', 'EdDSA'].map<Row>((alg) => [
    alg,
    ({ key }) => forged(signedWith(alg, key.kid)),
    502,
    'id_token_invalid',
  ]),
  [
    'the kid of a published key, signed by another key',
    ({ key, foreign }) => forged(signedAgain({ alg: 'RS256', kid: key.kid }, foreign)),
    502,
    'id_token_invalid',
  ],
  [
    'an unknown kid',
    ({ foreign }) => forged(signedAgain({ alg: 'RS256', kid: foreign.kid }, foreign)),
    502,
    'id_token_invalid',
  ],
  [
    'no kid, signed by an unpublished key',
    ({ foreign }) => forged(signedAgain({ alg: 'RS256' }, foreign)),
    502,
    'id_token_invalid',
  ],
  [
    'its own key in the header',
    ({ foreign, key }) =>
      forged(
        signedAgain(
          { alg: 'RS256', kid: key.kid, jwk: foreign.jwk, jku: 'https://evil.example/jwks' },
          foreign,
        ),
      ),
    502,
    'id_token_invalid',
  ],
  [
    'an unknown critical header',
    ({ key }) => forged(withHeader({ alg: 'RS256', kid: key.kid, crit: ['b64'], b64: false })),
    502,
    'id_token_invalid',
  ],
  ['a changed signature', () => forged((idToken) => changed(idToken)), 502, 'id_token_invalid'],
  [
    'no signature',
    () => forged((idToken) => idToken.replace(/[^.]+$/, '')),
    502,
    'id_token_invalid',
  ],
  [
    'only two parts',
    () => forged((idToken) => idToken.split('.', 2).join('.')),
    502,
    'id_token_invalid',
  ],
  ['five parts (an encrypted token)', () => forged(() => 'a.b.c.d.e'), 502, 'id_token_invalid'],
  ['parts that are not JSON', () => forged(() => 'bm8.bm8.bm8'), 502, 'response_invalid'],
];

const responses: Row[] = [
  [
    'the state of another request',
    () => ({ redirect: { state: 'another' } }),
    400,
    'state_mismatch',
  ],
  ['no state', () => ({ redirect: { state: '' } }), 400, 'attempt_missing'],
  [
    'the iss of another issuer in the redirect',
    () => ({ redirect: { iss: 'https://evil.example' } }),
    400,
    'issuer_response_mismatch',
  ],
  ['no ID token', () => ({ response: { id_token: undefined } }), 502, 'response_invalid'],
  ['no access token', () => ({ response: { access_token: undefined } }), 502, 'response_invalid'],
  ['another token type', () => ({ response: { token_type: 'mac' } }), 502, 'response_invalid'],
  ['a negative expires_in', () => ({ response: { expires_in: -1 } }), 502, 'response_invalid'],
  [
    'another sub at UserInfo',
    () => ({ idToken: { name: undefined }, userInfo: { sub: 'user_02' } }),
    502,
    'user_mismatch',
  ],
];

function changed(idToken: string): string {
  const at = idToken.lastIndexOf('.') + 20;
  return idToken.slice(0, at) + (idToken[at] === 'A' ? 'B' : 'A') + idToken.slice(at + 1);
}

beforeAll(async () => {
  issuer = await startHostileIssuer();
  app = await startTestApp({ env: issuer.env });
});
beforeEach(() => {
  issuer.vary = {};
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

/** The authorization response of this issuer: the URL at the callback, not visited yet. */
async function authorizationResponse(browser: Browser): Promise<URL> {
  const { location } = await browser.get(`${app.url}/login?return_to=/sessions`);
  return (await browser.get(location ?? '')).location ?? new URL(app.url);
}

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${app.url}/login?return_to=/profile`);
  return browser;
}

describe.each([...claims, ...signatures, ...responses])(
  'a sign-in with %s',
  (_what, bend, status, code) => {
    it(`is refused with ${code}, and can be completed once the issuer behaves`, async () => {
      const browser = new Browser();
      const genuine = await authorizationResponse(browser);
      issuer.vary = bend(issuer);
      const bent = new URL(genuine);
      for (const [name, value] of Object.entries(issuer.vary.redirect ?? {})) {
        bent.searchParams.set(name, value);
      }
      const asked = issuer.exchanges.length;
      const page = await browser.get(bent);
      expect([page.status, codeOn(page)]).toEqual([status, code]);
      expect(page.body).toContain('href="/login?return_to=');
      expect(browser.jar.find('session')).toBeUndefined();
      expect(issuer.exchanges.length - asked).toBe(issuer.vary.redirect ? 0 : 1);

      issuer.vary = {};
      const done = await browser.get(genuine);
      expect([done.status, done.location?.pathname]).toEqual([303, '/sessions']);
    });

    it('leaves the signed-in user as they were', async () => {
      const browser = await signedIn();
      const session = browser.jar.find('session')?.value;
      issuer.vary = bend(issuer);
      await browser.get(await authorizationResponse(browser));
      expect(browser.jar.find('session')?.value).toBe(session);
      expect(await whoIs(browser, app)).toBe('Nora Test');
    });
  },
);

describe('a sign-in with unusual but valid values', () => {
  it.each<[string, Row[1]]>([
    ['our client id in a list of one', () => bad({ aud: [CLIENT_ID] })],
    ['our azp', () => bad({ azp: CLIENT_ID })],
    ['a clock 25 seconds ahead', () => bad({ iat: now() + 25 })],
    ['a sub of 255 characters', () => bad({ sub: 'u'.repeat(255) })],
    ['an expires_in beyond what a Date can hold', () => ({ response: { expires_in: 1e300 } })],
    [
      'malformed times in the access token',
      () => ({ accessToken: { exp: 'never', iat: {} }, response: { expires_in: undefined } }),
    ],
    [
      'a signature of the other published key',
      ({ second }) => forged(signedAgain({ alg: 'RS256', kid: second.kid }, second)),
    ],
    ['no kid', ({ key }) => forged(signedAgain({ alg: 'RS256' }, key))],
    [
      'no kid, signed by the other key',
      ({ second }) => forged(signedAgain({ alg: 'RS256' }, second)),
    ],
  ])('succeeds with %s', async (_what, bend) => {
    issuer.vary = bend(issuer);
    const browser = await signedIn();
    expect(browser.page?.status).toBe(200);
    expect(await whoIs(browser, app)).toBe('Nora Test');
  });
});

describe('a sign-in after a restart', () => {
  it.each<[string, (published: HostileIssuer) => Variation, string]>([
    ['the iss parameter is promised and missing', promiseIss, 'issuer_response_mismatch'],
    ['no keys are published', publish([]), 'issuer_unreachable'],
    ['the key is published for encryption only', publish([{ use: 'enc' }]), 'id_token_invalid'],
    ['the key is published for another algorithm', publish([{ alg: 'RS512' }]), 'id_token_invalid'],
  ])('is refused when %s', async (_what, bend, code) => {
    const { published } = issuer;
    issuer.vary = bend(issuer);
    await app.restart();
    expect(codeOn(await new Browser().open(`${app.url}/login`))).toBe(code);
    issuer.published = published;
  });

  it('succeeds without a kid when one key is published', async () => {
    const { published } = issuer;
    issuer.published = published.slice(0, 1);
    issuer.vary = forged(signedAgain({ alg: 'RS256' }, issuer.key));
    await app.restart();
    expect(await whoIs(await signedIn(), app)).toBe('Nora Test');
    issuer.published = published;
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['the name of another issuer', { issuer: 'https://evil.example' }, 'issuer_mismatch'],
    ['no issuer', { issuer: undefined }, 'issuer_unreachable'],
    ['a list as issuer', { issuer: ['https://evil.example'] }, 'issuer_unreachable'],
  ])('sends the browser nowhere when the metadata has %s', async (_what, metadata, code) => {
    issuer.vary = { metadata };
    await app.restart();
    const page = await new Browser().get(`${app.url}/login?return_to=/profile`);
    expect([codeOn(page), page.location]).toEqual([code, undefined]);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(503);
  });
});

function promiseIss(): Variation {
  return { metadata: { authorization_response_iss_parameter_supported: true } };
}

function publish(changes: Record<string, string>[]) {
  return (at: HostileIssuer): Variation => {
    at.published = changes.map((change) => ({ ...at.key.jwk, ...change }));
    return {};
  };
}
