// One host name for everything, however the browser or a proxy names this server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { answerOf, codeOn, outcome } from './support/callback.ts';

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
  ])('leads a page navigation to the same address at BASE_URL: %s', async (path) => {
    const page = await new Browser().get(`${elsewhere}${path}`);
    expect(page.status).toBe(302);
    expect(page.location?.origin).toBe(app.url);
    expect(page.location?.href.replace(app.url, '')).toBe(path.replace('\\', '/'));
  });

  it('starts a sign-in that ends at BASE_URL', async () => {
    const browser = new Browser();
    await browser.open(`${elsewhere}/profile`);
    await browser.follow(await browser.press('Bruno'));
    expect([browser.page?.status, browser.page?.url.href]).toEqual([200, `${app.url}/profile`]);
  });

  it('is of no interest to scripts, health checks and the API', async () => {
    for (const path of ['/healthz', '/readyz', '/assets/styles.css']) {
      expect((await fetch(`${elsewhere}${path}`)).status, path).toBe(200);
    }
    expect((await fetch(`${elsewhere}/api/me`)).status).toBe(401);
    expect((await new Browser().fetch(`${elsewhere}/profile`)).status).toBe(401);
  });

  it('that a proxy puts in for every request ends in no loop', async () => {
    const browser = new Browser();
    const headers = { host: 'app:3000' };
    expect((await browser.get(`${app.url}/`, { headers })).location?.href).toBe(`${app.url}/`);
    expect((await browser.get(`${app.url}/`, { headers })).status).toBe(200);
  });

  it('in the Host header goes into no redirect URI and no page', async () => {
    const browser = new Browser();
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example' };
    await browser.get(`${app.url}/`, { headers });
    const { location, body } = await browser.get(`${app.url}/login`, { headers });
    expect(location?.searchParams.get('redirect_uri')).toBe(`${app.url}/callback`);
    expect(body).not.toContain('evil');
  });
});

describe('a proxy that is not trusted', () => {
  it('is told in the log once, and on error pages', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const browser = new Browser();
    await browser.get(app.url, { headers });
    const page = await browser.get(`${app.url}/callback?code=x&state=y`, { headers });
    expect(codeOn(page)).toBe('attempt_missing');
    expect(page.body).toContain('TRUST_PROXY');
    const told = app.log.filter(({ event }) => event === 'proxy_not_trusted');
    expect(told).toEqual([expect.objectContaining({ level: 'warn' })]);
  });

  it('is not told of where there is none, or where it is trusted', async () => {
    expect((await new Browser().get(`${app.url}/nowhere`)).body).not.toContain('TRUST_PROXY');
    await app.restart({ TRUST_PROXY: '1' });
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const { body } = await new Browser().get(`${app.url}/nowhere`, { headers });
    expect(body).not.toContain('TRUST_PROXY');
  });
});

it('an answer of AuthKit that arrives under another name is not lost', async () => {
  const browser = new Browser();
  const answer = await answerOf(app, browser);
  const renamed = new URL(answer);
  renamed.hostname = '127.0.0.1';
  const { location } = await browser.get(renamed);
  expect(location?.href).toBe(answer.href);
  expect(await outcome(browser, answer)).toEqual([303, '/profile']);
});
