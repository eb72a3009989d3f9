// The control interface of the local AuthKit, in process and over HTTP: faults, tokens, grants,
// keys.

import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';

let authkit: LocalAuthKit;
let client: LocalClient;
let thirdParty: LocalClient;
const person = 'Bruno Okafor';

beforeAll(async () => {
  authkit = await startTestAuthKit({ redirectUris: [REDIRECT_URI] });
  const { firstParty, thirdParty: third } = authkit.applications;
  client = new LocalClient(authkit.issuer, firstParty.clientId, firstParty.clientSecrets[0]);
  thirdParty = new LocalClient(authkit.issuer, third.clientId, third.clientSecret);
});
afterAll(() => authkit.close());
afterEach(() => {
  authkit.control.reset();
  vi.useRealTimers();
});

const sub = () => authkit.people[1]?.sub ?? '';
const jwks = async () => JSON.parse(await (await fetch(`${authkit.issuer}/oauth2/jwks`)).text());
const kids = async (): Promise<string[]> =>
  (await jwks()).keys.map(({ kid }: { kid: string }) => kid);

const post = (name: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${authkit.issuer}/_control/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

describe('a fault', () => {
  const PATHS = {
    discovery: '/.well-known/openid-configuration',
    jwks: '/oauth2/jwks',
    authorize: '/oauth2/authorize',
    token: '/oauth2/token',
    userinfo: '/oauth2/userinfo',
    introspection: '/oauth2/introspection',
    revocation: '/oauth2/revoke',
    device_authorization: '/oauth2/device_authorization',
  } as const;

  it.each(Object.entries(PATHS))('affects %s alone, until reset', async (name, path) => {
    const endpoint = name as keyof typeof PATHS;
    authkit.control.fault({ endpoint, kind: 'status', status: 502 });
    for (const [other, otherPath] of Object.entries(PATHS)) {
      const { status } = await fetch(authkit.issuer + otherPath);
      expect([other, status === 502]).toEqual([other, otherPath === path]);
    }
    expect((await fetch(authkit.issuer + path)).status).toBe(502);
    expect(authkit.control.requests()[endpoint]).toBe(2);
    authkit.control.reset();
    expect((await fetch(authkit.issuer + path)).status).not.toBe(502);
  });

  it('affects only the next requests, with Retry-After', async () => {
    const fault = { endpoint: 'jwks', kind: 'status', status: 429 } as const;
    authkit.control.fault({ ...fault, retryAfter: 7, requests: 2 });
    const responses = [];
    for (let index = 0; index < 3; index += 1) {
      responses.push(await fetch(`${authkit.issuer}/oauth2/jwks`));
    }
    expect(responses.map(({ status }) => status)).toEqual([429, 429, 200]);
    expect(responses[0]?.headers.get('retry-after')).toBe('7');
  });

  it('is garbage, a cut connection, a slow response or none at all', async () => {
    const url = `${authkit.issuer}/oauth2/jwks`;
    authkit.control.fault({ endpoint: 'jwks', kind: 'garbage' });
    await expect(fetch(url).then((response) => response.json())).rejects.toThrow(SyntaxError);
    authkit.control.fault({ endpoint: 'jwks', kind: 'cut' });
    await expect(fetch(url)).rejects.toThrow('fetch failed');
    authkit.control.fault({ endpoint: 'jwks', kind: 'slow', seconds: 0.2 });
    const before = performance.now();
    expect((await fetch(url)).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(190);
    authkit.control.fault({ endpoint: 'jwks', kind: 'silent' });
    const impatient = fetch(url, { signal: AbortSignal.timeout(300) });
    await expect(impatient).rejects.toThrow('timeout');
  });

  it('loses the response of a request that was carried out', async () => {
    const { refresh_token: refreshToken } = await client.signIn({ person });
    authkit.control.fault({ endpoint: 'token', kind: 'cut', afterwards: true, requests: 1 });
    await expect(client.refresh(refreshToken)).rejects.toThrow('fetch failed');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 });
    expect((await client.refresh(refreshToken)).body['error']).toBe('invalid_grant');
    authkit.control.fault({ endpoint: 'token', kind: 'status', afterwards: true, requests: 1 });
    const lost = await fetch(`${authkit.issuer}/oauth2/token`, { method: 'POST' });
    expect([lost.status, await lost.text()]).toEqual([503, 'out of order']);
  });
});

describe('the control of tokens and grants', () => {
  it('revokes tokens, which refresh, introspection and UserInfo then refuse', async () => {
    const tokens = await client.signIn({ person });
    const other = await client.signIn({ person: 'Ada Lindqvist' });
    authkit.control.revokeTokens({ sub: sub() });
    expect((await client.refresh(tokens['refresh_token'])).body['error']).toBe('invalid_grant');
    expect(await client.introspect(tokens['access_token'])).toEqual({ active: false });
    const userinfo = await fetch(`${authkit.issuer}/oauth2/userinfo`, {
      headers: { authorization: `Bearer ${tokens['access_token']}` },
    });
    expect(userinfo.status).toBe(401);
    expect((await client.refresh(other['refresh_token'])).status).toBe(200);
  });

  it('expires tokens', async () => {
    const tokens = await client.signIn({ person });
    authkit.control.expireTokens({ sub: sub() });
    expect((await client.refresh(tokens['refresh_token'])).body['error']).toBe('invalid_grant');
    expect(await client.introspect(tokens['access_token'])).toEqual({ active: false });
    const again = await client.signIn({ person });
    expect((await client.refresh(again['refresh_token'])).status).toBe(200);
  });

  it('ends the grant of one application, with its tokens and its consent', async () => {
    const [own, third] = [await client.signIn({ person }), await thirdParty.signIn({ person })];
    authkit.control.endGrant({ sub: sub(), clientId: thirdParty.clientId });
    expect((await thirdParty.refresh(third['refresh_token'])).body['error']).toBe('invalid_grant');
    expect(await thirdParty.introspect(third['access_token'])).toEqual({ active: false });
    expect((await client.refresh(own['refresh_token'])).status).toBe(200);
    const browser = new Browser();
    await browser.open(thirdParty.authorizationUrl());
    const page = await browser.follow(await browser.press(person));
    expect(plainText(page.body)).toContain('requests access');
  });

  it('shortens the lifetime of the next access tokens, until reset', async () => {
    authkit.control.setAccessTokenSeconds({ seconds: 20 });
    const short = await client.signIn({ person });
    const { iat = 0, exp } = decodeJwt(short['access_token'] ?? '');
    expect([short['expires_in'], exp]).toEqual([20, iat + 20]);
    authkit.control.reset();
    expect((await client.signIn({ person }))['expires_in']).toBe(300);
  });
});

describe('the control of keys', () => {
  it('publishes a key before using it', async () => {
    const [before] = await kids();
    const { kid } = await authkit.control.publishKey();
    expect(new Set(await kids())).toEqual(new Set([before, kid]));
    const old = await client.signIn({ person });
    expect(decodeProtectedHeader(old['access_token'] ?? '').kid).toBe(before);
    expect(await authkit.control.rotateKeys()).toEqual({ kid });
    const fresh = await client.refresh(old['refresh_token']);
    expect(decodeProtectedHeader(fresh.body['access_token'] ?? '').kid).toBe(kid);
    expect(decodeProtectedHeader(fresh.body['id_token'] ?? '').kid).toBe(kid);
    const keys = createLocalJWKSet(await jwks());
    await jwtVerify(old['access_token'] ?? '', keys);
    await jwtVerify(fresh.body['access_token'] ?? '', keys);
    authkit.control.retireKeys();
    expect(await kids()).toEqual([kid]);
  });

  it('rotates keys without notice', async () => {
    const before = await kids();
    const { kid } = await authkit.control.rotateKeys();
    expect(before).not.toContain(kid);
    const { access_token: token } = await client.signIn({ person });
    expect(decodeProtectedHeader(token ?? '').kid).toBe(kid);
    expect(await client.introspect(token)).toMatchObject({ active: true });
  });
});

describe('the control over HTTP', () => {
  it('lists its operations and carries them out', async () => {
    const response = await fetch(`${authkit.issuer}/_control`);
    const { operations } = JSON.parse(await response.text());
    expect(operations.toSorted()).toEqual(Object.keys(authkit.control).toSorted());
    const tokens = await client.signIn({ person });
    expect((await post('revokeTokens', { sub: sub() })).status).toBe(200);
    expect((await client.refresh(tokens['refresh_token'])).body['error']).toBe('invalid_grant');
    const { kid } = JSON.parse(await (await post('rotateKeys', {})).text());
    expect(await kids()).toContain(kid);
    await post('fault', { endpoint: 'jwks', kind: 'status', status: 500, requests: 1 });
    expect((await fetch(`${authkit.issuer}/oauth2/jwks`)).status).toBe(500);
  });

  it('names the fault of a request', async () => {
    const response = await post('fault', { endpoint: 'tokens', kind: 'slow' });
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('endpoint'),
    ]);
    expect((await post('unknown', {})).status).toBe(404);
  });

  it('refuses every request that a page of another origin could send', async () => {
    const simple = await post('revokeTokens', { sub: sub() }, { 'content-type': 'text/plain' });
    expect(simple.status).toBe(415);
    const preflight = await fetch(`${authkit.issuer}/_control/reset`, { method: 'OPTIONS' });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });
});
