// "Your sessions": the list on the page, and the immediate end of a session on every instance.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signIn, startTestApp } from '../../support/app/app.ts';
import { Browser, type Page } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import {
  signInAt,
  startFleet,
  times,
  until,
  visit,
  type Fleet,
} from '../../support/app/instances.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';

let fleet: Fleet;
let browser: Browser;

/** Signs in as Bruno with this browser's name in every request. */
async function signInWith(userAgent: string): Promise<Browser> {
  const other = await signInAt(fleet.url);
  const headers = { 'user-agent': userAgent };
  let page = await other.get('/login', { headers });
  while (page.location) page = await other.get(page.location, { from: page.initiator, headers });
  return other;
}

const cards = (page: Page) =>
  page.body
    .split(/<li class="card[^>]*>/)
    .slice(1)
    .map(plainText);

/** The handles on the sessions page, this browser's first. */
async function handles(of: Browser): Promise<string[]> {
  const page = await of.open(`${fleet.url}/sessions`);
  return [...page.body.matchAll(/name="handle" value="([^"]+)"/g)].map(([, handle = '']) => handle);
}

async function isSignedIn(of: Browser): Promise<boolean[]> {
  const pages = await Promise.all(times(2, (index) => visit(of, fleet, index, '/profile')));
  return pages.map(({ status }) => status === 200);
}

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());
beforeEach(async () => {
  browser = await signInAt(fleet.url);
  await browser.open(`${fleet.url}/sessions`);
  await browser.follow(await browser.press('Sign out everywhere'));
  browser = await signInAt(fleet.url);
  fleet.authKit.control.reset();
});

describe('GET /sessions', () => {
  it('lists the user’s own sessions only, this browser first, with start and last use', async () => {
    await signInAt(fleet.url, 'Ada');
    await fleet.pass(61 * 60_000);
    await signInWith(FIREFOX);
    const page = await browser.open(`${fleet.url}/sessions`);
    const [own = '', other = '', ...more] = cards(page);
    expect(more).toEqual([]);
    expect(own).toMatch(/^An unknown browser This browser Signed in .*, 61 minutes ago/);
    expect(other).toMatch(/^Firefox on Linux Signed in .* just now/);
    expect(page.headers['cache-control']).toBe('no-store');
  });

  it('requires sign-in', async () => {
    const page = await new Browser().get(`${fleet.url}/sessions`);
    expect(page.location?.pathname).toBe('/login');
  });
});

describe('POST /sessions/end', () => {
  it('signs another browser out at once, on every instance', async () => {
    const other = await signInAt(fleet.url);
    const [, handle = ''] = await handles(browser);
    const page = await browser.post('/sessions/end', { handle });
    expect(page.location?.pathname).toBe('/sessions');
    expect(await isSignedIn(other)).toEqual([false, false]);
    expect(await isSignedIn(browser)).toEqual([true, true]);
    // The record is deleted without being opened, so there is no token to revoke.
    expect(fleet.authKit.control.requests().revocation).toBe(0);
    await browser.open(`${fleet.url}/sessions`);
    const again = await browser.follow(await browser.post('/sessions/end', { handle }));
    expect(again.body).toContain('That session had already ended.');
  });

  it('signs out when the session is the browser’s own', async () => {
    const [handle = ''] = await handles(browser);
    const page = await browser.post('/sessions/end', { handle });
    expect(page.location?.pathname).toBe('/signed-out');
    expect(browser.jar.names()).not.toContain('session');
    await until(() => fleet.authKit.control.requests().revocation === 1);
  });

  it('ignores a session of another user, and does not reveal that it exists', async () => {
    const ada = await signInAt(fleet.url, 'Ada');
    const [theirs = ''] = await handles(ada);
    await browser.open(`${fleet.url}/sessions`);
    for (const handle of [theirs, 'no-handle-of-anybody']) {
      const page = await browser.post('/sessions/end', { handle });
      expect(page.location?.search).toBe('?ended=gone');
    }
    expect(await isSignedIn(ada)).toEqual([true, true]);
  });

  it('refuses a form from another site or origin with 403', async () => {
    const [handle = ''] = await handles(browser);
    for (const from of ['https://evil.example', 'http://localhost:1']) {
      for (const path of ['/sessions/end', '/sessions/end-all']) {
        const page = await browser.post(`${fleet.url}${path}`, { handle }, { from });
        expect([page.status, page.body.includes('cross_site_request')]).toEqual([403, true]);
      }
    }
    expect(await isSignedIn(browser)).toEqual([true, true]);
  });
});

describe('"Sign out everywhere"', () => {
  it('ends all sessions of the user, and revokes this browser’s grant', async () => {
    const others = await Promise.all([signInAt(fleet.url), signInAt(fleet.url)]);
    const ada = await signInAt(fleet.url, 'Ada');
    fleet.authKit.control.reset();
    const page = await browser.open(`${fleet.url}/sessions`);
    expect(page.body).toContain('AuthKit is asked to revoke this browser’s grant');
    const end = await browser.follow(await browser.press('Sign out everywhere'));
    expect(end.url.pathname).toBe('/signed-out');
    for (const each of [browser, ...others]) expect(await isSignedIn(each)).toEqual([false, false]);
    expect(await isSignedIn(ada)).toEqual([true, true]);
    await until(() => fleet.authKit.control.requests().revocation === 1);
  });

  it('does not wait for AuthKit to respond to the revocation', async () => {
    fleet.authKit.control.fault({ endpoint: 'revocation', kind: 'silent' });
    await browser.open(`${fleet.url}/sessions`);
    const startedAt = performance.now();
    const page = await browser.press('Sign out everywhere');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(page.location?.pathname).toBe('/signed-out');
  });

  it('tells the user when AuthKit offers no revocation', async () => {
    const app = await startTestApp({ authKit: { revocation: false } });
    const page = await (await signIn(app)).open('/sessions');
    expect(page.body).toContain('AuthKit offers no revocation');
    await app.close();
  });
});
