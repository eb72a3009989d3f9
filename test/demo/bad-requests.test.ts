// Requests that no ordinary browser sends, and internal errors: each gets a page or JSON that names
// the fault, never a stack.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { errorPages } from '../../src/demo/errors.ts';
import { createViewEngine } from '../../src/demo/view-engine.ts';
import { createLog } from '../../src/process/log.ts';
import * as words from '../../src/demo/format.ts';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn, outcome } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';

describe('a request', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it.each<[string, string, number, string]>([
    ['with broken escapes', '/assets/%E0%A4%A', 404, 'not_found'],
    ['for a URL of 9 kB', `/?${'a'.repeat(9_000)}`, 414, 'url_too_long'],
    ['for an unknown path', '/nowhere', 404, 'not_found'],
    [
      'for a path that climbs out of the assets',
      '/assets/..%2F..%2Fpackage.json',
      404,
      'not_found',
    ],
    ['for a hidden file', '/assets/.env', 404, 'not_found'],
  ])('%s is refused by an error code', async (_case, path, status, code) => {
    const page = await new Browser().get(`${app.url}${path}`);
    expect([page.status, codeOn(page)]).toEqual([status, code]);
    expect(page.body).not.toMatch(/node_modules|\.ts:\d/);
  });

  it('with a form in an unknown character set is refused by an error code', async () => {
    const browser = await signIn(app, { path: '/sessions' });
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=klingon' };
    const page = await browser.post('/sessions/end', { handle: 'x' }, { headers });
    expect([page.status, codeOn(page)]).toEqual([400, 'request_invalid']);
    // The cause comes from a library, so the log has its stack.
    const line = app.log.findLast(({ event }) => event === 'request_refused');
    expect(line).toMatchObject({ code: 'request_invalid', err: { stack: expect.any(String) } });
  });

  it('with a large form is refused by an error code, and changes nothing', async () => {
    const browser = await signIn(app, { path: '/sessions' });
    const page = await browser.post('/sessions/end', { handle: 'x'.repeat(100_000) });
    expect([page.status, codeOn(page)]).toEqual([413, 'body_too_large']);
    expect((await browser.get('/profile')).status).toBe(200);
  });
});

describe('the sign-in loop check', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  /** Signs in, and loses the session cookie. */
  async function signInInVain(browser: Browser): Promise<void> {
    await browser.open(`${app.url}/login?return_to=/profile`);
    if (browser.page?.url.origin !== app.url) await browser.follow(await browser.press('Bruno'));
    for (const [key, { name }] of browser.jar.cookies)
      if (name.startsWith('session')) browser.jar.cookies.delete(key);
  }

  it('shows an error page instead of a fourth round, and then allows another try', async () => {
    const browser = new Browser();
    const login = `${app.url}/login?return_to=/profile`;
    for (let round = 0; round < 3; round += 1) await signInInVain(browser);
    const page = await browser.get(login);
    expect([page.status, codeOn(page)]).toEqual([400, 'sign_in_loop']);
    expect(page.body).toContain('href="/login?return_to=%2Fprofile"');
    expect(plainText(page.body)).toContain('Delete the cookies of this site');
    // A clock that is ahead lets the cookie expire before it comes back (RFC 6265 §5.3).
    expect(plainText(page.body)).toContain('clock of this computer');
    expect((await browser.get(login)).status).toBe(302);
  });

  it('ignores a user who starts a sign-in and goes back many times', async () => {
    const browser = new Browser();
    for (let round = 0; round < 6; round += 1)
      expect((await browser.get(`${app.url}/login?return_to=/profile`)).status).toBe(302);
  });

  it('ignores a user who signs in and out many times', async () => {
    const browser = new Browser();
    for (let round = 0; round < 6; round += 1) {
      await browser.open(`${app.url}/login?return_to=/profile`);
      if (browser.page?.url.origin !== app.url) await browser.follow(await browser.press('Bruno'));
      expect([browser.page?.status, browser.page?.url.pathname]).toEqual([200, '/profile']);
      await browser.post('/logout');
    }
  });

  it('counts only attempts of the same browser within a minute', async () => {
    const browser = new Browser();
    for (let round = 0; round < 3; round += 1) await signInInVain(browser);
    expect(await outcome(new Browser(), `${app.url}/login`)).toEqual([302, '/oauth2/authorize']);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    expect(await outcome(browser, `${app.url}/login`)).toEqual([302, '/oauth2/authorize']);
    vi.useRealTimers();
  });

  it('ignores a stale cookie with a longer path, which the browser sends first', async () => {
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);
    await browser.follow(await browser.press('Bruno'));
    const [name] = browser.jar.find('session')?.line.split('=', 1) ?? [];
    browser.jar.store(new URL(app.url), [`${name}=stale; Path=/profile`]);
    expect((await browser.open('/profile')).status).toBe(200);
  });

  it('ignores a user who opens several pages at once', async () => {
    const browser = new Browser();
    for (const path of ['/profile', '/sessions', '/organization', '/api-call', '/moderation']) {
      expect((await browser.get(`${app.url}/login?return_to=${path}`)).status).toBe(302);
    }
  });
});

/** The page of an app whose only route fails, and the log line. */
async function failingApp(production: boolean) {
  const lines: string[] = [];
  const app = express();
  const views = fileURLToPath(new URL('../../views', import.meta.url));
  app
    .set('views', views)
    .set('view engine', 'eta')
    .engine('eta', createViewEngine(views, production));
  Object.assign(app.locals, words, { productName: 'Harbor Forum', now: new Date() });
  app.get('/', () => {
    throw new TypeError('the shelf of secret=hunter2 fell down');
  });
  app.use(errorPages(createLog('info', { write: (line) => void lines.push(line) }), production));
  const server = createServer(app).listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const page = await new Browser().get(`http://localhost:${port}/`);
  server.close();
  return { page, log: JSON.parse(lines[0] ?? '{}') as Record<string, unknown> };
}

describe('an internal error', () => {
  it.each([true, false])(
    'gives a page with only a reference, in production: %s',
    async (production) => {
      const { page, log } = await failingApp(production);
      expect([page.status, codeOn(page)]).toEqual([500, 'internal_error']);
      expect(page.body).not.toMatch(/shelf|hunter2|TypeError|\.ts/);
      expect(page.body).toContain(String(log['reference']));
      expect(log).toMatchObject({ level: 'error', code: 'internal_error', status: 500 });
      expect(JSON.stringify(log)).toContain('the shelf of secret=[redacted] fell down');
    },
  );
});
