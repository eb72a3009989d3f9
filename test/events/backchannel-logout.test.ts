// Logout tokens end sessions here: OpenID Connect Back-Channel Logout 1.0 §2.4 to §2.8. The app and
// its store are real, and so are the issuer's keys.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import {
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
  type JWTVerifyOptions,
} from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { backchannelLogout } from '../../src/events/index.ts';
import { openStore } from '../../src/store/index.ts';
import { serve } from '../support/app/bearer-app.ts';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { base64url, signWithPublicKey } from '../support/authkit/forge.ts';
import { keyedWith } from '../support/authkit/hostile-issuer.ts';
import { audience, makeKey } from '../support/authkit/issuer.ts';
import { CLIENT_ID, startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import type { SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';

type Claims = Record<string, unknown>;

const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

const now = () => Math.floor(Date.now() / 1000);

let issuer: SignInIssuer;
let app: TestApp;
beforeAll(async () => {
  issuer = await startSignInIssuer();
  issuer.vary = { metadata: { backchannel_logout_supported: true } };
  app = await startTestApp({ env: { ...issuer.env, API_AUDIENCE: audience } });
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});
beforeEach(() => void app.log.splice(0));

async function signedIn(sub: string, sid?: string): Promise<Browser> {
  issuer.vary = { ...issuer.vary, idToken: { sub, sid } };
  const browser = new Browser();
  expect((await browser.open(`${app.url}/profile`)).status).toBe(200);
  return browser;
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.get(`${app.url}/profile`)).status === 200;
}

/** The claims of a good logout token (§2.4); undefined removes one. */
function claims(change: Claims = {}): Claims {
  const times = { iat: now(), exp: now() + 120 };
  const good = { iss: issuer.url, aud: CLIENT_ID, ...times, jti: randomUUID() };
  const others = { client_id: undefined, scope: undefined, sid: undefined };
  return { ...good, ...others, sub: 'user_01', events: { [LOGOUT]: {} }, ...change };
}

function post(token: string | undefined, at: { url: string } = app): Promise<Response> {
  const body = new URLSearchParams(token === undefined ? {} : { logout_token: token });
  return fetch(`${at.url}/backchannel-logout`, { method: 'POST', body });
}

describe('a logout token', () => {
  test('with a sub ends all sessions of that user, and no other', async () => {
    const browsers = [
      await signedIn('user_01'),
      await signedIn('user_01'),
      await signedIn('user_02'),
    ];
    const response = await post(await issuer.sign(claims()));
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await Promise.all(browsers.map(isSignedIn))).toEqual([false, false, true]);
    expect(app.log.find(({ event }) => event === 'logout_received')).toMatchObject({
      sub: 'user_01',
      sessions: 2,
    });
  });

  test('with a sid ends that session alone', async () => {
    const browsers = [await signedIn('user_03', 'sid_1'), await signedIn('user_03', 'sid_2')];
    const response = await post(await issuer.sign(claims({ sub: 'user_03', sid: 'sid_1' })));
    expect(response.status).toBe(200);
    expect(await Promise.all(browsers.map(isSignedIn))).toEqual([false, true]);
  });

  test('with a sid and no sub ends that session', async () => {
    const browser = await signedIn('user_04', 'sid_3');
    expect((await post(await issuer.sign(claims({ sub: undefined, sid: 'sid_3' })))).status).toBe(
      200,
    );
    expect(await isSignedIn(browser)).toBe(false);
  });

  test('about no session here is accepted', async () => {
    expect((await post(await issuer.sign(claims({ sub: 'user_99' })))).status).toBe(200);
  });

  test.each<[name: string, change: Claims, header?: { typ: string }]>([
    ['typed logout+jwt', {}, { typ: 'logout+jwt' }],
    ['without an expiry', { exp: undefined }],
    ['for several audiences', { aud: ['client_other', CLIENT_ID] }],
    ['with other events too', { events: { [LOGOUT]: {}, 'https://example.com/other': {} } }],
  ])('%s is accepted', async (_, change, header) => {
    const browser = await signedIn('user_01');
    expect((await post(await issuer.sign(claims(change), header))).status).toBe(200);
    expect(await isSignedIn(browser)).toBe(false);
  });

  test.each<[name: string, change: () => Claims]>([
    ['of another issuer', () => ({ iss: 'https://other.example.com' })],
    ['without an issuer', () => ({ iss: undefined })],
    ['for another audience', () => ({ aud: 'client_other' })],
    ['without an audience', () => ({ aud: undefined })],
    ['that has expired', () => ({ exp: now() - 60 })],
    ['without iat', () => ({ iat: undefined })],
    ['issued ten minutes ago', () => ({ iat: now() - 600, exp: now() + 60 })],
    ['from the future', () => ({ iat: now() + 600, exp: now() + 900 })],
    ['without jti', () => ({ jti: undefined })],
    ['with an empty jti', () => ({ jti: '' })],
    ['with a jti that is a number', () => ({ jti: 7 })],
    ['without events', () => ({ events: undefined })],
    ['with another event', () => ({ events: { 'https://example.com/other': {} } })],
    ['with events that are a list', () => ({ events: [LOGOUT] })],
    ['with an event that is text', () => ({ events: { [LOGOUT]: 'yes' } })],
    ['with a nonce', () => ({ nonce: 'n' })],
    ['with neither sub nor sid', () => ({ sub: undefined })],
    ['with an empty sub', () => ({ sub: '' })],
    ['with a sid that is a list', () => ({ sid: ['sid_1'] })],
  ])('%s is refused', async (_, change) => {
    await expectRefused(await issuer.sign(claims(change())));
  });

  test('signed with another key is refused', async () => {
    const { privateKey, ...key } = await makeKey();
    await expectRefused(await issuer.sign(claims(), {}, { ...key, privateKey }));
    const pretended = { ...key, privateKey, kid: issuer.key.kid };
    await expectRefused(await issuer.sign(claims(), {}, pretended));
  });

  test('without a signature is refused', async () => {
    const token = `${base64url({ alg: 'none' })}.${base64url(claims())}.`;
    await expectRefused(token);
  });

  test('signed with HS256 and the public key is refused', async () => {
    await expectRefused(await signWithPublicKey(issuer, issuer.key.publicKey, claims()));
  });

  test.each<[string, () => Promise<string>]>([
    ['RS512 and a new key', () => signedBy('RS512')],
    ['PS256 and a new key', () => signedBy('PS256')],
    ['ES256 and a published key', () => signedBy('ES256', true)],
    [
      'HS256 and the client secret',
      async () =>
        keyedWith(issuer.env['OAUTH_APP_CLIENT_SECRET'] ?? '')(new UnsecuredJWT(claims()).encode()),
    ],
  ])('signed with %s is refused', async (_, sign) => {
    const { published } = issuer;
    await expectRefused(await sign());
    issuer.published = published;
  });

  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['not a JWT', 'abc'],
  ])('that is %s is refused', async (_, token) => {
    await expectRefused(token);
  });

  test('that is an ID token is refused', async () => {
    await expectRefused(await issuer.sign({ aud: CLIENT_ID, nonce: 'n' }));
  });

  test('that comes again is refused', async () => {
    const token = await issuer.sign(claims());
    expect((await post(token)).status).toBe(200);
    await expectRefused(token, 'logout_token_repeated');
  });

  test('that comes ten times at once is accepted once', async () => {
    const token = await issuer.sign(claims());
    const responses = await Promise.all(Array.from({ length: 10 }, () => post(token)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('of which many have unknown keys makes the app fetch the keys once', async () => {
    await post(await issuer.sign(claims()));
    const fetched = () => issuer.hits.get('/oauth2/jwks') ?? 0;
    const before = fetched();
    const forged = { ...issuer.key, kid: 'unknown' };
    const tokens = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        issuer.sign(claims(), { kid: `unknown_${index}` }, forged),
      ),
    );
    const responses = await Promise.all(tokens.map((token) => post(token)));
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([400]));
    expect(fetched() - before).toBeLessThanOrEqual(1);
  });
});

/** A good logout token, but signed by this algorithm with a new key, which may be published. */
async function signedBy(alg: string, isPublished = false): Promise<string> {
  const kid = `of-${alg}`;
  const { privateKey, publicKey } = await generateKeyPair(alg);
  if (isPublished)
    issuer.published = [...issuer.published, { ...(await exportJWK(publicKey)), kid, alg }];
  return new SignJWT(claims()).setProtectedHeader({ alg, kid }).sign(privateKey);
}

async function expectRefused(token: string | undefined, code = 'logout_token_invalid') {
  const browser = await signedIn('user_01');
  app.log.splice(0);
  const response = await post(token);
  expect(response.status).toBe(400);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  expect(await isSignedIn(browser)).toBe(true);
  expect(app.log.find(({ event }) => event === 'logout_refused')).toMatchObject({ code });
}

test('a logout token whose sessions could not be ended may come again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'logout-'));
  const { store } = await openStore({ file: join(folder, 'sessions.db') });
  let isAway = true;
  const endSessions = async () => {
    if (isAway) throw new Error('the store is away');
    return 1;
  };
  const payload = claims();
  const verify = async () => ({ payload });
  const options = { clientId: CLIENT_ID, sessions: { endSessions }, leases: store, verify };
  const running = await serve(express().use(backchannelLogout(options)));
  expect((await post('a-token', running)).status).toBe(503);
  isAway = false;
  expect((await post('a-token', running)).status).toBe(200);
  expect((await post('a-token', running)).status).toBe(400);
  await running.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

test.each<[name: string, keys: RequestListener]>([
  ['a 500', (_req, res) => res.writeHead(500).end('{}')],
  ['no JSON', (_req, res) => res.end('<html>')],
  ['no keys', (_req, res) => res.end('{}')],
  ['a reset', (req) => req.socket.destroy()],
])(
  'a logout token that jose verifies may come again after %s in place of the keys',
  async (_, keys) => {
    const jwks = createRemoteJWKSet(new URL(`${issuer.url}/oauth2/jwks`));
    const options = {
      clientId: CLIENT_ID,
      verify: (token: string, expected: JWTVerifyOptions) => jwtVerify(token, jwks, expected),
      sessions: { endSessions: async () => 1 },
      leases: {
        acquireLease: async () => true,
        renewLease: async () => true,
        async releaseLease() {},
      },
    };
    const running = await serve(express().use(backchannelLogout(options)));
    const token = await issuer.sign(claims());
    issuer.faults.set('/oauth2/jwks', keys);
    expect((await post(token, running)).status).toBe(503);
    issuer.faults.delete('/oauth2/jwks');
    expect((await post(token, running)).status).toBe(200);
    await running.close();
  },
);

test('a logout token that comes during a sign-out at the issuer is accepted', async () => {
  const other = await startSignInIssuer();
  const end_session_endpoint = `${other.url}/logout`;
  other.vary = { metadata: { backchannel_logout_supported: true, end_session_endpoint } };
  const there = await startTestApp({ env: { ...other.env, API_AUDIENCE: audience } });
  const statuses: number[] = [];
  const endSession = async (url: URL) => {
    const token = await other.sign(claims({ iss: other.url }));
    statuses.push((await post(token, there)).status);
    const back = new URL(url.searchParams.get('post_logout_redirect_uri') ?? '');
    back.searchParams.set('state', url.searchParams.get('state') ?? '');
    return back.href;
  };
  other.respondAt('/logout', (req, res) => {
    const url = new URL(req.url ?? '', other.url);
    void endSession(url).then((location) => res.writeHead(303, { location }).end());
  });
  try {
    const browser = new Browser();
    await browser.open(`${there.url}/profile`);
    const page = await browser.follow(await browser.press('Sign out'));
    expect(statuses).toEqual([200]);
    expect([page.status, page.url.pathname]).toEqual([200, '/signed-out']);
    expect(page.body).toContain('AuthKit has returned you from ending its own');
  } finally {
    await there.close();
    await other.close();
  }
});

test('an issuer that does not advertise back-channel logout has no such endpoint', async () => {
  const other = await startSignInIssuer();
  const without = await startTestApp({ env: { ...other.env, API_AUDIENCE: audience } });
  try {
    await expect.poll(async () => (await fetch(`${without.url}/readyz`)).status).toBe(200);
    expect((await post(await other.sign(claims({ iss: other.url })), without)).status).toBe(404);
  } finally {
    await without.close();
    await other.close();
  }
});

test('oidc-provider’s own logout token ends the sessions of that browser here', async () => {
  const other = await startTestApp({ backchannelLogout: true });
  try {
    const [browser, elsewhere] = [await signIn(other), await signIn(other)];
    await browser.open(`${other.authKit.issuer}/oauth2/sign-out`);
    await browser.press('Sign out');
    const statuses = [browser, elsewhere].map((each) => each.get(`${other.url}/profile`));
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([302, 200]);
  } finally {
    await other.close();
  }
});
