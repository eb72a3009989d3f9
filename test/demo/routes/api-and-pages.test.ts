// An access token works only at the API, and a session cookie only at pages.

import * as oauth from 'openid-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signInOverHttp } from '../../../src/development/local-authkit/test-kit.ts';
import { signIn, startTestApp, untilReady } from '../../support/app/app.ts';
import type { TestApp } from '../../support/app/app.ts';
import { call, callWith } from '../../support/app/bearer-app.ts';

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
  await untilReady(app);
});
afterAll(() => app.close());

/** Signs in at AuthKit as the command-line application; returns its token set. */
async function tokensOf(person: string) {
  const { clientId } = app.authKit.applications.commandLine;
  const execute = [oauth.allowInsecureRequests];
  const issuer = new URL(app.authKit.issuer);
  const config = await oauth.discovery(issuer, clientId, undefined, oauth.None(), { execute });
  const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
  const url = oauth.buildAuthorizationUrl(config, {
    redirect_uri: 'http://127.0.0.1:12345/callback',
    scope: 'openid profile email',
    code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const callback = await signInOverHttp(url, { person });
  return oauth.authorizationCodeGrant(config, callback, { pkceCodeVerifier });
}

test('an access token gives access to the API and to no page', async () => {
  const { access_token: token } = await tokensOf('Bruno');
  const me = await callWith(`${app.url}/api/me`, token);
  expect(me).toMatchObject({ status: 200, body: { machine: false } });
  expect(await callWith(`${app.url}/api/me/active`, token)).toMatchObject({ status: 200 });
  expect(await callWith(`${app.url}/api/organization`, token)).toMatchObject({ status: 200 });
  for (const path of ['/profile', '/organization', '/sessions', '/api-call']) {
    // oxlint-disable-next-line no-await-in-loop -- page by page
    const { status, headers } = await callWith(app.url + path, token);
    const isRefused = status === 401 || headers['location']?.startsWith('/login');
    expect({ path, isRefused }).toEqual({ path, isRefused: true });
  }
});

test('GET /api/me includes the user once they have signed in to the app', async () => {
  const { access_token: token } = await tokensOf('Chiara');
  expect((await callWith(`${app.url}/api/me`, token)).body).toMatchObject({ user: null });
  await signIn(app, { person: 'Chiara', organization: 'Blue Kiln' });
  const { body } = await callWith(`${app.url}/api/me`, token);
  expect(body).toMatchObject({ user: { name: 'Chiara Fontana' } });
});

test('a session cookie gives access to pages and not to the API', async () => {
  const browser = await signIn(app);
  expect((await browser.get(`${app.url}/profile`)).status).toBe(200);
  for (const path of ['/api/me', '/api/me/active', '/api/organization']) {
    // oxlint-disable-next-line no-await-in-loop -- route by route
    const response = await browser.get(app.url + path);
    expect(response.status).toBe(401);
    expect(response.headers['www-authenticate']).toMatch(/^Bearer realm="api", resource_metadata=/);
    expect(response.headers['set-cookie']).toBeUndefined();
  }
});

test('an ID token gives access to neither', async () => {
  const { id_token: idToken = '' } = await tokensOf('Bruno');
  const { status, challenge } = await callWith(`${app.url}/api/me`, idToken);
  expect(status).toBe(401);
  expect(challenge).toContain('invalid_token');
  expect((await callWith(`${app.url}/profile`, idToken)).status).not.toBe(200);
});

test('the challenge leads a client to the metadata that names the issuer', async () => {
  const { challenge } = await call(`${app.url}/api/me`);
  const [, document = ''] = /resource_metadata="([^"]+)"/.exec(challenge ?? '') ?? [];
  expect((await call(document)).body).toMatchObject({
    resource: `${app.url}/api/me`,
    authorization_servers: [app.authKit.issuer],
  });
});
