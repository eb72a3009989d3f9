// A response to a refresh that carries a refresh token has spent the one before. Whatever else is odd
// about it, the new one is kept and used next; only tokens of somebody else end the session.
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
beforeEach(() => at.calm());
afterAll(async () => {
  await at.stop();
  vi.useRealTimers();
});

const now = () => Math.floor(Date.now() / 1000);
const rotated = (response: object = {}) => ({ refresh_token: 'the-rotated-one', ...response });

/** Asks for /profile when the token is due, and AuthKit responds as varied. */
async function refreshWith(variation: () => Variation | Promise<Variation>): Promise<Browser> {
  at.issuer.vary = { accessToken: { org_id: 'org_01' } };
  const browser = await at.signedIn();
  pass(270);
  at.issuer.vary = await variation();
  await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
  return browser;
}

/** The refresh token that is sent when the token is due again. */
async function nextSent(browser: Browser): Promise<string | null | undefined> {
  at.issuer.vary = { accessToken: { org_id: 'org_01' } };
  pass(600);
  expect((await browser.get('/profile')).status).toBe(200);
  return at.refreshes().at(-1)?.get('refresh_token');
}

const member = (response: object) => () => ({ response: rotated(response) });

it('keeps the refresh token of a response whose status is another success', async () => {
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
  ['a lifetime below zero', 'expires_in', member({ expires_in: -96 })],
  ['a lifetime of null', 'expires_in', member({ expires_in: null })],
  ['a lifetime in words', 'expires_in', member({ expires_in: 'soon' })],
  ['a lifetime of nothing', 'expires_in', member({ expires_in: 0 })],
  ['a lifetime that is a list', 'expires_in', member({ expires_in: [300, 1] })],
  ['scopes in a list', 'scope', member({ scope: ['openid', 'profile'] })],
  ['a scope that is a number', 'scope', member({ scope: 7 })],
  ['no token type', 'token_type', member({ token_type: undefined })],
  ['an unknown token type', 'token_type', member({ token_type: 'mac' })],
  ['a token type that is a number', 'token_type', member({ token_type: 1 })],
  ['no access token', 'access_token', member({ access_token: undefined })],
  ['an access token of null', 'access_token', member({ access_token: null })],
  ['an empty ID token', 'id_token', member({ id_token: '' })],
  ['an ID token that is none', 'id_token', member({ id_token: 'a.b.c' })],
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
    'everything at once',
    'access_token token_type expires_in scope',
    member({ access_token: 1, token_type: 'DPoP', expires_in: {}, scope: [], id_token: 3 }),
  ],
])('%s loses no refresh token, and is named in the log', async (_, members, variation) => {
  const browser = await refreshWith(variation);
  expect(at.events('refresh_response_malformed')).toMatchObject([{ members }]);
  expect(at.events('session_ended')).toEqual([]);
  expect(await nextSent(browser)).toBe('the-rotated-one');
});

it.each([0, -96, 1, 'soon'])('a lifetime of %s costs no refresh for each page', async (seconds) => {
  const browser = await refreshWith(member({ expires_in: seconds }));
  for (let page = 0; page < 10; page += 1) await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
  expect((await browser.get('/api-call')).status).toBe(200);
});

it('no access token at all costs no refresh for each page', async () => {
  const browser = await refreshWith(member({ access_token: undefined }));
  for (let page = 0; page < 10; page += 1) await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
});

it('a token of another type is not used', async () => {
  const browser = await refreshWith(member({ token_type: 'DPoP' }));
  pass(60);
  at.issuer.vary = { token: (_req, res) => void res.writeHead(503).end() };
  expect((await browser.get('/api-call')).status).toBe(503);
});

it('without a scope, what was granted before is granted', async () => {
  at.issuer.vary = { response: { scope: 'openid profile' } };
  const browser = await at.signedIn();
  pass(270);
  at.issuer.vary = { response: rotated({ scope: ['admin'] }) };
  const { body } = await browser.get('/profile');
  expect(at.refreshes()).toHaveLength(1);
  expect(body).not.toContain('offline_access');
});

describe('an ID token', () => {
  it.each<[string, object]>([
    ['about somebody else', { sub: 'user_02' }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['for another application', { aud: 'client_other' }],
    ['about somebody else, long expired', { sub: 'user_02', exp: 1 }],
  ])('%s ends the session', async (_, idToken) => {
    await refreshWith(() => ({ response: rotated(), idToken: { ...idToken } }));
    expect(at.events('session_ended')).toMatchObject([{ reason: 'identity_changed' }]);
  });

  it('for this application and others goes on', async () => {
    const idToken = { aud: [CLIENT_ID, 'another'], azp: CLIENT_ID };
    const browser = await refreshWith(() => ({ response: rotated(), idToken }));
    expect(await nextSent(browser)).toBe('the-rotated-one');
  });
});

it('a response without any token is none: the old refresh token is sent again', async () => {
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

it('no token of it is in the log', async () => {
  await refreshWith(member({ access_token: 7, scope: [], expires_in: 'soon' }));
  expect(JSON.stringify(at.app.log)).not.toContain('the-rotated-one');
});
