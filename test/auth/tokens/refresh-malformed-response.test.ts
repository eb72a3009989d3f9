// A refresh response with a new refresh token has spent the old one. Even if its other members are
// malformed, the new one must be kept, or the next refresh signs the user out. Only tokens about
// another user end the session.
import { text } from 'node:stream/consumers';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Browser } from '../../support/browser/browser.ts';
import { json } from '../../support/authkit/issuer.ts';
import { pass, startIssuerApp, type IssuerApp } from '../../support/app/issuer-app.ts';
import { CLIENT_ID, type Variation } from '../../support/authkit/sign-in-issuer.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
let at: IssuerApp;
beforeAll(async () => {
  at = await startIssuerApp();
});
beforeEach(() => at.reset());
afterAll(async () => {
  await at.stop();
  vi.useRealTimers();
});

const now = () => Math.floor(Date.now() / 1000);
const rotated = (response: object = {}) => ({ refresh_token: 'the-rotated-one', ...response });

/** Requests /profile when the token is due; AuthKit responds with this variation. */
async function refreshWith(variation: () => Variation | Promise<Variation>): Promise<Browser> {
  at.issuer.vary = { accessToken: { org_id: 'org_01' } };
  const browser = await at.signedIn();
  pass(270);
  at.issuer.vary = await variation();
  await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
  return browser;
}

/** The refresh token that is sent when the access token is due again. */
async function nextSent(browser: Browser): Promise<string | null | undefined> {
  at.issuer.vary = { accessToken: { org_id: 'org_01' } };
  pass(600);
  expect((await browser.get('/profile')).status).toBe(200);
  return at.refreshes().at(-1)?.get('refresh_token');
}

const member = (response: object) => () => ({ response: rotated(response) });

it('a refresh keeps the refresh token of a response with status 201', async () => {
  const browser = await at.signedIn();
  at.issuer.vary = {
    token: (_req, res) => {
      const tokens = {
        access_token: 'an-access-token',
        refresh_token: 'the-second',
        token_type: 'Bearer',
      };
      json(res, tokens, 201);
    },
  };
  pass(270);
  expect((await browser.get('/profile')).status).toBe(200);
  at.issuer.vary = {};
  pass(270);
  await browser.get('/profile');
  expect(at.refreshes().map((form) => form.get('refresh_token'))).toEqual(['the-second']);
});

it.each<[string, string, () => Variation | Promise<Variation>]>([
  ['a negative expires_in', 'expires_in', member({ expires_in: -96 })],
  ['an expires_in of null', 'expires_in', member({ expires_in: null })],
  ['an expires_in in words', 'expires_in', member({ expires_in: 'soon' })],
  ['an expires_in of 0', 'expires_in', member({ expires_in: 0 })],
  ['an expires_in that is a list', 'expires_in', member({ expires_in: [300, 1] })],
  ['a scope that is a list', 'scope', member({ scope: ['openid', 'profile'] })],
  ['a scope that is a number', 'scope', member({ scope: 7 })],
  ['no token type', 'token_type', member({ token_type: undefined })],
  ['an unknown token type', 'token_type', member({ token_type: 'mac' })],
  ['a token type that is a number', 'token_type', member({ token_type: 1 })],
  ['no access token', 'access_token', member({ access_token: undefined })],
  ['an access token of null', 'access_token', member({ access_token: null })],
  ['an empty ID token', 'id_token', member({ id_token: '' })],
  ['a malformed ID token', 'id_token', member({ id_token: 'a.b.c' })],
  [
    'an ID token that has expired',
    'id_token',
    () => ({ response: rotated(), idToken: { exp: now() - 900 } }),
  ],
  [
    'an ID token that is not valid yet',
    'id_token',
    () => ({ response: rotated(), idToken: { nbf: now() + 900 } }),
  ],
  ['an ID token without iat', 'id_token', () => ({ response: rotated(), idToken: { iat: null } })],
  [
    'an ID token signed with ES256',
    'id_token',
    async () => {
      const { privateKey } = await generateKeyPair('ES256');
      const idTokenKey = { kid: 'es', privateKey } as NonNullable<Variation['idTokenKey']>;
      return { response: rotated(), idTokenHeader: { alg: 'ES256' }, idTokenKey };
    },
  ],
  [
    'all members malformed',
    'access_token token_type expires_in scope',
    member({ access_token: 1, token_type: 'DPoP', expires_in: {}, scope: [], id_token: 3 }),
  ],
])(
  'a refresh keeps the refresh token of a response with %s, and logs the member',
  async (_, members, variation) => {
    const browser = await refreshWith(variation);
    expect(at.events('refresh_response_malformed')).toMatchObject([{ members }]);
    expect(at.events('session_ended')).toEqual([]);
    expect(await nextSent(browser)).toBe('the-rotated-one');
  },
);

it.each([0, -96, 1, 'soon'])(
  'a page does not refresh again after an expires_in of %j',
  async (seconds) => {
    const browser = await refreshWith(member({ expires_in: seconds }));
    for (let page = 0; page < 10; page += 1) await browser.get('/profile');
    expect(at.refreshes()).toHaveLength(1);
    expect((await browser.get('/api-call')).status).toBe(200);
  },
);

it('a page does not refresh again after a response without an access token', async () => {
  const browser = await refreshWith(member({ access_token: undefined }));
  for (let page = 0; page < 10; page += 1) await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
});

it('the app does not use an access token of another type', async () => {
  const browser = await refreshWith(member({ token_type: 'DPoP' }));
  pass(60);
  at.issuer.vary = { token: (_req, res) => void res.writeHead(503).end() };
  expect((await browser.get('/api-call')).status).toBe(503);
});

it('a refresh keeps the granted scopes when the response has a malformed scope', async () => {
  at.issuer.vary = { response: { scope: 'openid profile' } };
  const browser = await at.signedIn();
  pass(270);
  at.issuer.vary = { response: rotated({ scope: ['admin'] }) };
  const { body } = await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
  expect(body).not.toContain('offline_access');
});

describe('an ID token in a refresh response', () => {
  it.each<[string, object]>([
    ['about another user', { sub: 'user_02' }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['for another application', { aud: 'client_other' }],
    ['about another user, long expired', { sub: 'user_02', exp: 1 }],
  ])('ends the session when it is %s', async (_, idToken) => {
    await refreshWith(() => ({ response: rotated(), idToken: { ...idToken } }));
    expect(at.events('session_ended')).toMatchObject([{ reason: 'identity_changed' }]);
  });

  it('is accepted when it is for this application and others', async () => {
    const idToken = { aud: [CLIENT_ID, 'another'], azp: CLIENT_ID };
    const browser = await refreshWith(() => ({ response: rotated(), idToken }));
    expect(await nextSent(browser)).toBe('the-rotated-one');
  });
});

it('a refresh sends the old refresh token again after a response without any token', async () => {
  const browser = await at.signedIn();
  pass(270);
  const sent: (string | null)[] = [];
  at.issuer.vary = {
    token: async (req, res) => {
      sent.push(new URLSearchParams(await text(req)).get('refresh_token'));
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    },
  };
  for (let round = 0; round < 2; round += 1) {
    expect((await browser.get('/profile')).status).toBe(200);
    pass(60);
  }
  expect(sent).toEqual(['a-refresh-token', 'a-refresh-token']);
  expect(at.events('refresh_failed')).toMatchObject([
    { code: 'response_invalid' },
    { code: 'response_invalid' },
  ]);
});

it('the log holds no token of a malformed response', async () => {
  await refreshWith(member({ access_token: 7, scope: [], expires_in: 'soon' }));
  expect(JSON.stringify(at.app.log)).not.toContain('the-rotated-one');
});
