// Device authorization at the local AuthKit (RFC 8628).

import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { decodeJwt } from 'jose';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
let authkit: LocalAuthKit;
let tool: LocalClient;

beforeAll(async () => {
  authkit = await startTestAuthKit({ redirectUris: [REDIRECT_URI] });
  tool = new LocalClient(authkit.issuer, authkit.applications.commandLine.clientId);
});
afterAll(() => authkit.close());
afterEach(() => void vi.useRealTimers());

async function begin(scope = 'openid profile offline_access'): Promise<Record<string, string>> {
  return (await tool.post('/oauth2/device_authorization', { scope })).body;
}

async function poll(deviceCode: string | undefined) {
  const { status, body } = await tool.post('/oauth2/token', {
    grant_type: GRANT,
    device_code: deviceCode ?? '',
  });
  return { status, body, error: body['error'] };
}

function passTime(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
}

/** Opens the page with the code filled in and continues to the question "Is this your device?". */
async function confirmPage(browser: Browser, verificationUri: string | undefined) {
  const entry = await browser.open(verificationUri ?? '');
  const code = /name="user_code" value="([^"]*)"/.exec(entry.body)?.[1] ?? '';
  return browser.press('Continue', { user_code: code });
}

it('a device authorization response names codes, URIs, lifetime and interval', async () => {
  const started = await begin();
  expect(started).toEqual({
    device_code: expect.any(String),
    user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
    verification_uri: `${authkit.issuer}/oauth2/device`,
    verification_uri_complete: `${authkit.issuer}/oauth2/device?user_code=${started['user_code']}`,
    expires_in: 300,
    interval: 5,
  });
});

it('the device gets tokens for the user and organization chosen in the browser', async () => {
  const started = await begin();
  expect(await poll(started['device_code'])).toMatchObject({
    status: 400,
    error: 'authorization_pending',
  });
  const browser = new Browser();
  const confirm = await confirmPage(browser, started['verification_uri_complete']);
  expect(plainText(confirm.body)).toContain(started['user_code']);
  expect(plainText(confirm.body)).toContain('Example command line');
  await browser.follow(await browser.press('Confirm'));
  await browser.follow(await browser.press('Chiara Fontana'));
  const done = await browser.follow(await browser.press('Blue Kiln Studio'));
  expect(plainText(done.body)).toContain('Device connected');
  passTime(5);
  const { status, body } = await poll(started['device_code']);
  expect(status).toBe(200);
  const claims = decodeJwt(body['access_token'] ?? '');
  expect(claims).toMatchObject({
    sub: authkit.people[2]?.sub,
    org_id: authkit.people[2]?.organizations[0]?.id,
    aud: authkit.environmentClientId,
    scope: 'openid profile offline_access',
  });
  expect(decodeJwt(body['id_token'] ?? '')).toMatchObject({ name: 'Chiara Fontana' });
  expect((await tool.refresh(body['refresh_token'])).status).toBe(200);
  expect((await poll(started['device_code'])).error).toBe('invalid_grant');
});

it('a device that polls too fast gets slow_down', async () => {
  const { device_code: code } = await begin();
  await poll(code);
  expect(await poll(code)).toMatchObject({ status: 400, error: 'slow_down' });
  passTime(5);
  expect((await poll(code)).error).toBe('authorization_pending');
});

it('the device gets access_denied after "This is not mine"', async () => {
  const started = await begin();
  const browser = new Browser();
  await confirmPage(browser, started['verification_uri_complete']);
  const denied = await browser.press('This is not mine');
  expect(plainText(denied.body)).toContain('Device not connected');
  expect((await poll(started['device_code'])).error).toBe('access_denied');
});

it('the device gets expired_token after five minutes, and the page refuses the code', async () => {
  const started = await begin();
  passTime(301);
  expect((await poll(started['device_code'])).error).toBe('expired_token');
  const page = await confirmPage(new Browser(), started['verification_uri_complete']);
  expect(plainText(page.body)).toContain('invalid, expired or already used');
});

it('the page accepts the code in lower case and without its dash, and no other code', async () => {
  const started = await begin();
  const browser = new Browser();
  await browser.open(started['verification_uri'] ?? '');
  const wrong = await browser.press('Continue', { user_code: 'XXXX-XXXX' });
  expect(plainText(wrong.body)).toContain('invalid, expired or already used');
  const code = (started['user_code'] ?? '').replace('-', '').toLowerCase();
  const confirm = await browser.press('Continue', { user_code: code });
  expect(plainText(confirm.body)).toContain('Is this your device?');
});

it('device authorization refuses other applications and unknown scopes', async () => {
  const other = new LocalClient(authkit.issuer, authkit.applications.publicApp.clientId);
  const refused = await other.post('/oauth2/device_authorization', { scope: 'openid' });
  expect(refused.status).toBe(400);
  expect((await begin('openid posts:burn'))['error']).toBe('invalid_scope');
});

it('the command line application also signs in by a loopback redirect on any port', async () => {
  const redirect = 'http://127.0.0.1:49152/callback';
  const choices = { person: 'Ada Lindqvist' };
  const tokens = await tool.signIn(choices, { redirect_uri: redirect });
  expect(decodeJwt(tokens['id_token'] ?? '').aud).toBe(tool.clientId);
  for (const wrong of ['http://127.0.0.1:49152/other', 'http://localhost:49152/callback']) {
    const url = tool.authorizationUrl({ redirect_uri: wrong });
    const refused = await fetch(url, { redirect: 'manual' });
    expect(refused.headers.get('location')).toContain('/oauth2/error?error=invalid_redirect_uri');
  }
});
