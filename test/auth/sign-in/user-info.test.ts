// UserInfo (OpenID Connect Core §5.3): how it is asked, what a signed response is worth, and
// `alwaysFetchUserInfo`, with an issuer whose claims there differ from those of the ID token.
import type { RequestListener } from 'node:http';
import { SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { currentUser, type User } from '../../../src/auth/index.ts';
import { startHostApp, type HostApp } from '../../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../../support/authkit/sign-in-issuer.ts';
import { Browser } from '../../support/browser/browser.ts';

const elsewhere = { name: 'Uma Info', email: 'uma@example.com' };
const outOfOrder: RequestListener = (_req, res) => res.writeHead(500).end();
const nameless = { name: undefined, email: undefined };

let issuer: SignInIssuer;
let usual: HostApp;
let always: HostApp;

/** Starts a host app whose page /me shows the user. */
function start(alwaysFetchUserInfo?: boolean): Promise<HostApp> {
  const options = { issuer: new URL(issuer.url), clientId: CLIENT_ID };
  return startHostApp(
    { ...options, ...(alwaysFetchUserInfo !== undefined && { alwaysFetchUserInfo }) },
    (server, auth) => {
      server.use(auth.session, auth.routes);
      server.get('/me', auth.requireLogin, (req, res) => void res.json(currentUser(req)));
    },
  );
}

beforeAll(async () => {
  issuer = await startSignInIssuer();
  const userinfo_signing_alg_values_supported = ['RS256'];
  issuer.vary = { metadata: { userinfo_signing_alg_values_supported } };
  [usual, always] = await Promise.all([start(), start(true)]);
});
afterEach(() => {
  issuer.vary = {};
  issuer.hits.clear();
});
afterAll(async () => {
  await Promise.all([usual.close(), always.close()]);
  await issuer.close();
});

const asked = () => issuer.hits.get('/oauth2/userinfo') ?? 0;

/** Signs in at this app; returns the status of /me, and what it shows. */
async function signIn(host: HostApp, variation: Variation): Promise<[number, Partial<User>]> {
  issuer.vary = { ...issuer.vary, ...variation };
  const { status, body } = await new Browser().open(`${host.url}/me`);
  return [status, JSON.parse(body) as User];
}

describe('alwaysFetchUserInfo', () => {
  it('asks UserInfo though the ID token has what was requested', async () => {
    await signIn(usual, {});
    expect(asked()).toBe(0);
    await signIn(always, {});
    expect(asked()).toBe(1);
  });

  it('asks at each sign-in, and not at a page', async () => {
    const browser = new Browser();
    await browser.open(`${always.url}/me`);
    await browser.open(`${always.url}/me`);
    expect(asked()).toBe(1);
    await browser.open(`${always.url}/login?return_to=/me`);
    expect(asked()).toBe(2);
  });

  it('adds claims that only UserInfo has; those of the ID token win', async () => {
    const user = { name: 'Nora Test', email: 'nora@example.com' };
    expect(await signIn(always, { userInfo: elsewhere })).toMatchObject([200, user]);
    const idToken = { name: undefined };
    const mixed = { name: 'Uma Info', email: 'nora@example.com' };
    expect(await signIn(always, { idToken, userInfo: elsewhere })).toMatchObject([200, mixed]);
  });

  it('never takes email_verified for another address than the one it is about', async () => {
    const userInfo = { ...elsewhere, email_verified: true };
    const [, user] = await signIn(always, { userInfo });
    expect(user).toMatchObject({ email: 'nora@example.com', emailVerified: false });
  });

  it('refuses a sign-in if UserInfo is about another user', async () => {
    const refused = [502, { error: 'user_mismatch' }];
    expect(await signIn(always, { userInfo: { sub: 'user_02' } })).toEqual(refused);
  });

  it('lets users sign in while UserInfo fails, or where there is none', async () => {
    for (const userInfo of [outOfOrder, { sub: undefined }])
      expect(await signIn(always, { userInfo })).toMatchObject([200, { name: 'Nora Test' }]);
    issuer.vary = { metadata: { userinfo_endpoint: undefined } };
    const host = await start(true);
    issuer.hits.clear();
    expect(await signIn(host, {})).toMatchObject([200, { name: 'Nora Test' }]);
    expect(asked()).toBe(0);
    await host.close();
  });
});

it('UserInfo gets the access token in the Authorization header, and nowhere else', async () => {
  const seen: object[] = [];
  const userInfo: RequestListener = (req, res) => {
    const { method, url, headers } = req;
    seen.push({ method, url, authorization: headers.authorization, type: headers['content-type'] });
    res.writeHead(200, { 'content-type': 'application/json' }).end('{"sub":"user_01"}');
  };
  await signIn(usual, { idToken: nameless, userInfo });
  const authorization = expect.stringMatching(/^Bearer eyJ[\w-]+\.[\w-]+\.[\w-]+$/) as string;
  expect(seen).toEqual([
    { method: 'GET', url: '/oauth2/userinfo', authorization, type: undefined },
  ]);
});

const respondWith =
  (jwt: string): RequestListener =>
  (_req, res) =>
    void res.writeHead(200, { 'content-type': 'application/jwt' }).end(jwt);

const signed = (claims: JWTPayload) =>
  new SignJWT({ iss: issuer.url, aud: CLIENT_ID, sub: 'user_01', ...elsewhere, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: issuer.key.kid })
    .sign(issuer.key.privateKey);

describe('a signed UserInfo response', () => {
  it('is taken if the metadata lists its algorithm', async () => {
    const userInfo = respondWith(await signed({}));
    expect(await signIn(usual, { idToken: nameless, userInfo })).toMatchObject([200, elsewhere]);
  });

  it('about another user refuses the sign-in', async () => {
    const userInfo = respondWith(await signed({ sub: 'user_02' }));
    const refused = [502, { error: 'user_mismatch' }];
    expect(await signIn(usual, { idToken: nameless, userInfo })).toEqual(refused);
  });

  it.each<[string, () => string | Promise<string>]>([
    ['for another client', () => signed({ aud: 'client_other' })],
    ['of another issuer', () => signed({ iss: 'https://evil.example' })],
    ['that is not signed', () => new UnsecuredJWT({ sub: 'user_01', ...elsewhere }).encode()],
    ['that is no JWT', () => 'e30.e30'],
  ])('%s is not taken, and the user signs in without it', async (_what, jwt) => {
    const userInfo = respondWith(await jwt());
    const [status, user] = await signIn(usual, { idToken: nameless, userInfo });
    expect([status, user.sub, user.name]).toEqual([200, 'user_01', undefined]);
  });
});
