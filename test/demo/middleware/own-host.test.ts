// Every page has the host name of BASE_URL, whatever name the browser or a proxy uses.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser, type Page } from '../../support/browser/browser.ts';
import { authorizationResponseFor, codeOn, outcome } from '../../support/browser/callback.ts';

let app: TestApp;
let elsewhere: string;
beforeAll(async () => {
  app = await startTestApp();
  elsewhere = app.url.replace('localhost', '127.0.0.1');
});
afterAll(() => app.close());

describe('another host name', () => {
  it.each([
    '/',
    '/profile?a=b',
    '/login?return_to=%2Fprofile',
    '//evil.example/',
    '/\\evil.example',
  ])('redirects a navigation to the same path at BASE_URL: %s', async (path) => {
    const page = await new Browser().get(`${elsewhere}${path}`);
    expect(page.status).toBe(302);
    expect(page.location?.origin).toBe(app.url);
    const mark = path.includes('?') ? '&from_other_host=1' : '?from_other_host=1';
    expect(page.location?.href.replace(app.url, '')).toBe(path.replace('\\', '/') + mark);
    expect(page.headers['set-cookie']).toBeUndefined();
  });

  it('starts a sign-in that ends at BASE_URL', async () => {
    const browser = new Browser();
    await browser.open(`${elsewhere}/profile`);
    await browser.follow(await browser.press('Bruno'));
    expect([browser.page?.status, browser.page?.url.href]).toEqual([200, `${app.url}/profile`]);
  });

  it('causes no redirect for scripts, health checks and the API', async () => {
    for (const path of ['/healthz', '/readyz', '/assets/styles.css']) {
      expect((await fetch(`${elsewhere}${path}`)).status, path).toBe(200);
    }
    expect((await fetch(`${elsewhere}/api/me`)).status).toBe(401);
    expect((await new Browser().fetch(`${elsewhere}/profile`)).status).toBe(401);
  });

  it('set by a proxy on every request causes no redirect loop', async () => {
    const browser = new Browser();
    const headers = { host: 'app:3000' };
    const { location } = await browser.get(`${app.url}/`, { headers });
    expect(location?.href).toBe(`${app.url}/?from_other_host=1`);
    expect((await browser.get(location ?? '', { headers })).status).toBe(200);
  });

  it('is recognized by the URL alone, whatever cookie an attacker has planted', async () => {
    const headers = { cookie: 'own-host=1; from_other_host=1' };
    expect((await new Browser().get(`${elsewhere}/`, { headers })).status).toBe(302);
  });

  it('in the Host header appears in no redirect URI and no page', async () => {
    const browser = new Browser();
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example' };
    const { location, body } = await browser.get(`${app.url}/login?from_other_host=1`, { headers });
    expect(location?.searchParams.get('redirect_uri')).toBe(`${app.url}/callback`);
    expect(body).not.toContain('evil');
  });
});

describe('the from_other_host mark', () => {
  const headers = { host: 'app:3000' };

  it('does not change the page at BASE_URL', async () => {
    const { status, location, body } = await new Browser().get(`${app.url}/?from_other_host=1`);
    expect([status, location]).toEqual([200, undefined]);
    expect(body).toBe((await new Browser().get(app.url)).body);
  });

  it.each([
    ['/profile?from_other_host=1', '/profile'],
    ['/profile?a=b&from_other_host=1', '/profile?a=b'],
    ['/profile?from_other_host=1&a=b%20c&from_other_host=1', '/profile?a=b%20c'],
    ['/profile?a=?&from_other_host=1', '/profile?a=?'],
  ])('is removed from return_to: %s', async (path, returnTo) => {
    for (const at of [{}, headers]) {
      const page = await new Browser().get(`${app.url}${path}`, { headers: at });
      expect(page.location?.pathname).toBe('/login');
      expect(page.location?.searchParams.get('return_to')).toBe(returnTo);
    }
  });

  it.each(['from_other_host=0', 'from_other_host', 'a=from_other_host=1', 'FROM_OTHER_HOST=1'])(
    'is not recognized in %s',
    async (query) => {
      const { location } = await new Browser().get(`${app.url}/?${query}`, { headers });
      expect(location?.href).toBe(`${app.url}/?${query}&from_other_host=1`);
    },
  );

  it('allows a whole sign-in with a foreign Host in each request, with one redirect a page', async () => {
    const browser = new Browser();
    const addresses: string[] = [];
    const follow = async (first: Page) => {
      let page = first;
      while (page.location !== undefined && addresses.length < 20) {
        addresses.push(page.location.href);
        const visit = page.location.origin === app.url ? { headers } : {};
        page = await browser.get(page.location, visit);
      }
      return page;
    };
    await follow(await browser.get(`${app.url}/profile`, { headers }));
    const { status, url } = await follow(await browser.press('Bruno'));
    expect([status, url.href]).toEqual([200, `${app.url}/profile?from_other_host=1`]);
    expect(addresses.filter((address) => address.split('from_other_host').length > 2)).toEqual([]);
  });
});

describe('an untrusted proxy', () => {
  it('is named once in the log, and on error pages', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const browser = new Browser();
    await browser.get(app.url, { headers });
    const page = await browser.get(`${app.url}/callback?code=x&state=y`, { headers });
    expect(codeOn(page)).toBe('attempt_missing');
    expect(page.body).toContain('TRUST_PROXY');
    const told = app.log.filter(({ event }) => event === 'proxy_not_trusted');
    expect(told).toEqual([expect.objectContaining({ level: 'warn' })]);
  });

  it('is not named without a proxy, or when it is trusted', async () => {
    expect((await new Browser().get(`${app.url}/nowhere`)).body).not.toContain('TRUST_PROXY');
    await app.restart({ TRUST_PROXY: '1' });
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const { body } = await new Browser().get(`${app.url}/nowhere`, { headers });
    expect(body).not.toContain('TRUST_PROXY');
  });
});

it('an authorization response under another host name still completes the sign-in', async () => {
  const browser = new Browser();
  const response = await authorizationResponseFor(app, browser);
  const renamed = new URL(response);
  renamed.hostname = '127.0.0.1';
  const { location } = await browser.get(renamed);
  expect(location?.href).toBe(`${response.href}&from_other_host=1`);
  expect(await outcome(browser, location ?? renamed)).toEqual([303, '/profile']);
});
