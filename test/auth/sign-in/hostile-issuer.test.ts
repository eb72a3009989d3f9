// The negative cases of the OpenID Foundation's plan for relying parties (code flow), and those of
// OpenID Connect Core §3.1.3.7 beyond it. One row is one bent step; what comes of it is a code on a
// page, for a visitor and for someone who is signed in, and nothing else: the session is as before,
// AuthKit was asked once, and the attempt can still be completed when the issuer behaves.
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
  ['iss of another', () => bad({ iss: 'https://evil.example' }), 502, 'id_token_invalid'],
  ['iss with a slash too many', ({ url }) => bad({ iss: `${url}/` }), 502, 'id_token_invalid'],
  ['no iss', () => bad({ iss: undefined }), 502, 'id_token_invalid'],
  ['aud of another', () => bad({ aud: 'client_of_others' }), 502, 'id_token_invalid'],
  ['no aud', () => bad({ aud: undefined }), 502, 'id_token_invalid'],
  ['an empty list as aud', () => bad({ aud: [] }), 502, 'id_token_invalid'],
  ['another aud beside ours', () => bad({ aud: [CLIENT_ID, 'b'] }), 502, 'id_token_invalid'],
  [
    'another aud beside ours, azp being ours',
    () => bad({ aud: [CLIENT_ID, 'b'], azp: CLIENT_ID }),
    502,
    'id_token_invalid',
  ],
  ['azp of another', () => bad({ azp: 'client_of_others' }), 502, 'id_token_invalid'],
  ['no sub', () => bad({ sub: undefined }), 502, 'id_token_invalid'],
  ['an empty sub', () => bad({ sub: '' }), 502, 'id_token_invalid'],
  ['a number as sub', () => bad({ sub: 1 }), 502, 'id_token_invalid'],
  ['a sub of 256 characters', () => bad({ sub: 'u'.repeat(256) }), 502, 'id_token_invalid'],
  ['no nonce', () => bad({ nonce: undefined }), 502, 'id_token_invalid'],
  ['another nonce', () => bad({ nonce: 'another' }), 502, 'id_token_invalid'],
  ['no exp', () => bad({ exp: undefined }), 502, 'id_token_invalid'],
  ['exp as text', () => bad({ exp: String(now() + 300) }), 502, 'id_token_invalid'],
  ['exp in the past', () => bad({ exp: now() - 60 }), 502, 'clock_skew'],
  ['no iat', () => bad({ iat: undefined }), 502, 'id_token_invalid'],
  ['iat as text', () => bad({ iat: String(now()) }), 502, 'id_token_invalid'],
  ['iat in the future', () => bad({ iat: now() + 60, exp: now() + 300 }), 502, 'clock_skew'],
  ['iat before the sign-in', () => bad({ iat: now() - 3_600 }), 502, 'clock_skew'],
  ['nbf in the future', () => bad({ nbf: now() + 60 }), 502, 'clock_skew'],
];

const signatures: Row[] = [
  ['alg none', () => forged(withHeader({ alg: 'none' }, '')), 502, 'id_token_invalid'],
  [
    'alg none under our kid, with a signature',
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
    'the kid of a published key and another key',
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
    'no kid, and none of the published keys',
    ({ foreign }) => forged(signedAgain({ alg: 'RS256' }, foreign)),
    502,
    'id_token_invalid',
  ],
  [
    'a key of its own in the header',
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
    'a critical header nobody knows',
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
    'two parts',
    () => forged((idToken) => idToken.split('.', 2).join('.')),
    502,
    'id_token_invalid',
  ],
  ['five parts', () => forged(() => 'a.b.c.d.e'), 502, 'id_token_invalid'],
  ['no JSON in it', () => forged(() => 'bm8.bm8.bm8'), 502, 'response_invalid'],
];

const responses: Row[] = [
  ['state of another', () => ({ redirect: { state: 'another' } }), 400, 'state_mismatch'],
  ['no state', () => ({ redirect: { state: '' } }), 400, 'attempt_missing'],
  [
    'iss of another in the redirect',
    () => ({ redirect: { iss: 'https://evil.example' } }),
    400,
    'issuer_response_mismatch',
  ],
  ['no ID token', () => ({ response: { id_token: undefined } }), 502, 'response_invalid'],
  ['no access token', () => ({ response: { access_token: undefined } }), 502, 'response_invalid'],
  ['another token type', () => ({ response: { token_type: 'mac' } }), 502, 'response_invalid'],
  ['expires_in below zero', () => ({ response: { expires_in: -1 } }), 502, 'response_invalid'],
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

/** The answer that this issuer sends the browser back with, not visited yet. */
async function answerOf(browser: Browser): Promise<URL> {
  const { location } = await browser.get(`${app.url}/login?return_to=/sessions`);
  return (await browser.get(location ?? '')).location ?? new URL(app.url);
}

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${app.url}/login?return_to=/profile`);
  return browser;
}

describe.each([...claims, ...signatures, ...responses])('%s', (_what, bend, status, code) => {
  it('refuses a visitor, who can go on once the issuer behaves', async () => {
    const browser = new Browser();
    const genuine = await answerOf(browser);
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

  it('leaves who is signed in as they were', async () => {
    const browser = await signedIn();
    const session = browser.jar.find('session')?.value;
    issuer.vary = bend(issuer);
    await browser.get(await answerOf(browser));
    expect(browser.jar.find('session')?.value).toBe(session);
    expect(await whoIs(browser, app)).toBe('Nora Test');
  });
});

describe('what is odd and allowed', () => {
  it.each<[string, Row[1]]>([
    ['our client id as a list of one', () => bad({ aud: [CLIENT_ID] })],
    ['azp of ours', () => bad({ azp: CLIENT_ID })],
    ['a clock 25 seconds ahead', () => bad({ iat: now() + 25 })],
    ['a sub of 255 characters', () => bad({ sub: 'u'.repeat(255) })],
    ['a lifetime beyond what a date can hold', () => ({ response: { expires_in: 1e300 } })],
    [
      'times in the access token that are none',
      () => ({ accessToken: { exp: 'never', iat: {} }, response: { expires_in: undefined } }),
    ],
    [
      'the other published key',
      ({ second }) => forged(signedAgain({ alg: 'RS256', kid: second.kid }, second)),
    ],
    ['no kid', ({ key }) => forged(signedAgain({ alg: 'RS256' }, key))],
    ['no kid, by the other key', ({ second }) => forged(signedAgain({ alg: 'RS256' }, second))],
  ])('%s signs in', async (_what, bend) => {
    issuer.vary = bend(issuer);
    const browser = await signedIn();
    expect(browser.page?.status).toBe(200);
    expect(await whoIs(browser, app)).toBe('Nora Test');
  });
});

describe('at a restart', () => {
  it.each<[string, (published: HostileIssuer) => Variation, string]>([
    ['iss is promised and missing', promiseIss, 'issuer_response_mismatch'],
    ['no keys are published', publish([]), 'issuer_unreachable'],
    ['the key is published for encryption', publish([{ use: 'enc' }]), 'id_token_invalid'],
    ['the key is published for another algorithm', publish([{ alg: 'RS512' }]), 'id_token_invalid'],
  ])('%s: refused', async (_what, bend, code) => {
    const { published } = issuer;
    issuer.vary = bend(issuer);
    await app.restart();
    expect(codeOn(await new Browser().open(`${app.url}/login`))).toBe(code);
    issuer.published = published;
  });

  it('one published key needs no kid', async () => {
    const { published } = issuer;
    issuer.published = published.slice(0, 1);
    issuer.vary = forged(signedAgain({ alg: 'RS256' }, issuer.key));
    await app.restart();
    expect(await whoIs(await signedIn(), app)).toBe('Nora Test');
    issuer.published = published;
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['another issuer', { issuer: 'https://evil.example' }, 'issuer_mismatch'],
    ['no issuer', { issuer: undefined }, 'issuer_unreachable'],
    ['a list as issuer', { issuer: ['https://evil.example'] }, 'issuer_unreachable'],
  ])('metadata with %s: nobody is sent there', async (_what, metadata, code) => {
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
