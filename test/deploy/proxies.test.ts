// Two instances behind Debian's nginx and Caddy, configured with the files of deploy/: TLS,
// cookies, the redirect URI, the client address, and the hint about a missing TRUST_PROXY.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import type { Browser as Chromium } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { launchChromium } from '../support/browser/chromium.ts';
import { plainText } from '../support/browser/forms.ts';
import { startFleet, times, type Fleet } from '../support/app/instances.ts';
import { startProxy, type Proxy, type ProxyName } from '../support/deploy/proxies.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, it } = withParts('Chromium', 'redis-server', 'nginx', 'caddy');

const LIMIT = 8;

let redis: TestRedis;
let fleet: Fleet;
let baseUrl: URL;
let chromium: Chromium;
let proxy: Proxy;

beforeAll(async () => {
  redis = await startRedis();
  baseUrl = new URL(`https://forum.localhost:${await freePort()}`);
  const env = { BASE_URL: baseUrl.origin, REDIS_URL: redis.url, RATE_LIMIT: `${LIMIT}` };
  fleet = await startFleet({
    env: { ...env, NODE_ENV: 'production', TRUST_PROXY: '1' },
    authKit: { redirectUris: [`${baseUrl.origin}/callback`] },
  });
  chromium = await launchChromium();
});
afterAll(async () => {
  await chromium.close();
  await fleet.close();
  await redis.close();
});
// Clears sessions and rate limit counts.
beforeEach(() => redis.flush());

const portOf = (index: number) => fleet.instances[index]?.port ?? 0;

const lookup: RequestOptions['lookup'] = (_host, { all }, found) =>
  all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);

/** A browser at this address that trusts the proxy's certificate and finds `forum.localhost`. */
const visitor = (localAddress = '127.0.0.1') => new Browser({ ca: proxy.ca, lookup, localAddress });

/** Sends sign-ins until one is refused; returns how many were accepted. */
async function signInsUntilRefused(browser: Browser, headers = {}): Promise<number> {
  for (let count = 0; count < 50; count += 1) {
    const { status } = await browser.get(`${baseUrl.origin}/login`, { headers });
    browser.jar.cookies.clear();
    if (status === 429) return count;
  }
  return Infinity;
}

const isSession = (cookie: { name: string }) => cookie.name.startsWith('__Host-session-');

describe.each<ProxyName>(['nginx', 'Caddy'])('behind %s', (name) => {
  let httpPort: number;
  beforeAll(async () => {
    httpPort = await freePort();
    proxy = await startProxy(name, { baseUrl, httpPort, instances: [portOf(0), portOf(1)] });
  });
  afterAll(() => proxy.close());

  it('a user signs in and out across both instances', async () => {
    const browser = visitor();
    const start = await browser.get(`${baseUrl.origin}/login?return_to=/profile`);
    expect(start.location?.searchParams.get('redirect_uri')).toBe(`${baseUrl.origin}/callback`);
    await browser.follow(start);
    const profile = await browser.follow(await browser.press('Bruno'));
    expect([profile.url.href, profile.status]).toEqual([`${baseUrl.origin}/profile`, 200]);
    const pages = await Promise.all(times(4, () => browser.get(`${baseUrl.origin}/profile`)));
    expect(pages.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const signedOut = await browser.follow(await browser.press('Sign out'));
    expect(signedOut.url.href).toBe(`${baseUrl.origin}/signed-out`);
  });

  it('cookies arrive as the app sets them: Secure, __Host-, for this host only', async () => {
    const browser = visitor();
    await browser.open(`${baseUrl.origin}/profile`);
    let page = await browser.press('Bruno');
    while (page.location?.pathname !== '/callback') page = await browser.get(page.location ?? '');
    const callback = await browser.get(page.location);
    const lines = callback.headers['set-cookie'] ?? [];
    const names = lines.map((line) => /^__Host-(?:session|sign-in)/.exec(line)?.[0]);
    expect(new Set(names)).toEqual(new Set(['__Host-session', '__Host-sign-in']));
    for (const line of lines) {
      const attributes = line.split('; ').slice(1);
      const fixed = attributes.filter((attribute) => !/^(?:Max-Age|Expires)=/.test(attribute));
      expect(fixed.toSorted()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure']);
    }
  });

  it('Chromium signs in and out', async () => {
    const context = await chromium.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`${baseUrl.origin}/profile`);
    await page.getByRole('button', { name: 'Bruno Okafor' }).click();
    await page.waitForURL(`${baseUrl.origin}/profile`);
    expect(await page.textContent('main')).toContain('bruno.okafor@example.com');
    const cookies = (await context.cookies()).filter(({ domain }) => domain === baseUrl.hostname);
    expect(cookies.filter(isSession)).toHaveLength(1);
    expect(cookies.filter(({ secure, httpOnly }) => !secure || !httpOnly)).toEqual([]);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${baseUrl.origin}/signed-out`);
    expect((await context.cookies()).filter(isSession)).toEqual([]);
    await context.close();
  });

  it('the sessions page shows at once that its browser was signed out elsewhere', async () => {
    const context = await chromium.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`${baseUrl.origin}/sessions`);
    await page.getByRole('button', { name: 'Bruno Okafor' }).click();
    await page.waitForURL(`${baseUrl.origin}/sessions`);
    const other = visitor();
    await other.open(`${baseUrl.origin}/sessions`);
    await other.follow(await other.press('Bruno'));
    await other.press('Sign out everywhere');
    await page.getByRole('link', { name: 'Sign in again' }).waitFor();
    await context.close();
  });

  it('each visitor has their own rate limit, whatever address they claim', async () => {
    expect(await signInsUntilRefused(visitor())).toBe(LIMIT);
    const claims = { 'x-forwarded-for': '198.51.100.7', forwarded: 'for=198.51.100.7' };
    expect(await signInsUntilRefused(visitor(), claims)).toBe(0);
    expect(await signInsUntilRefused(visitor('127.0.0.2'))).toBe(LIMIT);
  });

  it('a claimed host or scheme changes nothing', async () => {
    const claims = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' };
    const page = await visitor().get(`${baseUrl.origin}/signed-out`, { headers: claims });
    expect([page.status, page.headers['set-cookie']]).toEqual([200, undefined]);
    expect(page.body).not.toContain('evil.example');
  });

  it('http leads to the same page over TLS', async () => {
    const url = `http://${baseUrl.hostname}:${httpPort}/profile?a=b`;
    const { status, location } = await visitor().get(url);
    expect([301, 308]).toContain(status);
    expect(location?.href).toBe(`${baseUrl.origin}/profile?a=b`);
  });

  it('request cookies pass up to the size that the app accepts', async () => {
    const cookie = times(5, (index) => `other-${index}=${'x'.repeat(2_600)}`).join('; ');
    const page = await visitor().get(`${baseUrl.origin}/signed-out`, { headers: { cookie } });
    expect(page.status).toBe(200);
  });

  it('the longest sign-in response passes, with a long return_to', async () => {
    const browser = visitor();
    // What cannot be compressed.
    const returnTo = `/profile?${randomBytes(592).toString('base64url')}`;
    await browser.open(`${baseUrl.origin}/login?return_to=${encodeURIComponent(returnTo)}`);
    let page = await browser.press('Bruno');
    while (page.location?.pathname !== '/callback') page = await browser.get(page.location ?? '');
    const { status, headers } = await browser.get(page.location);
    expect(status).toBe(303);
    expect(JSON.stringify(headers).length).toBeGreaterThan(2_800);
  });
});

describe.each<ProxyName>(['nginx', 'Caddy'])('behind %s with one instance down', (name) => {
  beforeAll(async () => {
    await fleet.replace(0, { TRUST_PROXY: '' });
    const [httpPort, unused] = [await freePort(), await freePort()];
    proxy = await startProxy(name, { baseUrl, httpPort, instances: [portOf(0), unused] });
  });
  afterAll(() => proxy.close());

  it('every request reaches the other instance', async () => {
    const browser = visitor();
    const statuses = [];
    for (let count = 0; count < 6; count += 1) {
      statuses.push((await browser.get(`${baseUrl.origin}/signed-out`)).status);
    }
    expect(statuses).toEqual(times(6, () => 200));
  });

  it('a missing TRUST_PROXY is named in the log and on the page, and visitors share one limit', async () => {
    const page = await visitor().get(`${baseUrl.origin}/callback?code=x&state=y`);
    expect([page.status, codeOn(page)]).toEqual([400, 'attempt_missing']);
    const sentence = 'Requests come through a proxy, but TRUST_PROXY is not set.';
    expect(plainText(page.body)).toContain(sentence);
    const [line, ...more] = (fleet.instances[0]?.log ?? []).filter(
      ({ event }) => event === 'proxy_not_trusted',
    );
    expect(line?.['hint']).toContain(sentence);
    expect(more).toEqual([]);
    await signInsUntilRefused(visitor());
    expect(await signInsUntilRefused(visitor('127.0.0.2'))).toBe(0);
  });
});

it.each([
  ['deploy/nginx.conf', /keepalive_timeout (\d+)s;/],
  ['deploy/Caddyfile', /keepalive (\d+)s/],
])('%s closes an idle connection before the app does', async (file, pattern) => {
  const { headers } = await new Browser().get(`http://localhost:${portOf(0)}/healthz`, {
    headers: { connection: 'keep-alive' },
  });
  const [, app] = /timeout=(\d+)/.exec(String(headers['keep-alive'])) ?? [];
  const [, ours] = pattern.exec(await readFile(file, 'utf8')) ?? [];
  expect(Number(app)).toBeGreaterThan(Number(ours));
});
