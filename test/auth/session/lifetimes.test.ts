// The idle and absolute end of a session and of its cookie, with a clock that the tests move.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { whoIs } from '../../support/browser/callback.ts';

const MINUTE = 60;
const HOUR = 3_600;

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp({
    // Without a refresh token only its own lifetimes can end the session.
    env: {
      SESSION_IDLE_SECONDS: String(HOUR),
      SESSION_MAX_SECONDS: String(3 * HOUR),
      OAUTH_SCOPE: 'openid profile email',
    },
  });
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await app.close();
});

const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

/** Seconds until the cookie expires in the browser. */
const cookieLifetime = ({ jar }: Browser) =>
  ((jar.find('session')?.expiresAt ?? Date.now()) - Date.now()) / 1000;

describe('a session that is not used', () => {
  it('stays valid until its idle time is over', async () => {
    const browser = await signIn(app);
    pass(HOUR - 5);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });

  it('ends with its idle time, even for a browser that keeps the cookie', async () => {
    const browser = await signIn(app);
    const cookie = browser.jar.find('session');
    pass(HOUR + 5);
    expect(browser.jar.names()).not.toContain('session');
    if (cookie) cookie.expiresAt = undefined;
    expect(browser.jar.names()).toContain('session');
    expect(await whoIs(browser, app)).toBeUndefined();
  });
});

describe('a session that is used', () => {
  it('outlives its idle time, and its cookie is extended', async () => {
    const browser = await signIn(app);
    expect(Math.round(cookieLifetime(browser) / MINUTE)).toBe(60);
    for (let round = 0; round < 2; round += 1) {
      pass(50 * MINUTE);
      expect(await whoIs(browser, app)).toBe('Bruno Okafor');
      expect(Math.round(cookieLifetime(browser) / MINUTE)).toBe(60);
    }
  });

  it('ends after SESSION_MAX_SECONDS, and its cookie expires no later', async () => {
    const browser = await signIn(app);
    for (let round = 0; round < 3; round += 1) {
      pass(50 * MINUTE);
      expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    }
    expect(Math.round(cookieLifetime(browser) / MINUTE)).toBe(30);
    const cookie = browser.jar.find('session');
    if (cookie) cookie.expiresAt = undefined;
    pass(30 * MINUTE + 5);
    expect(await whoIs(browser, app)).toBeUndefined();
  });

  it('has its use noted and its cookie sent again at most once a minute', async () => {
    const browser = await signIn(app);
    const isSentAgain = async () =>
      (await browser.get(`${app.url}/profile`)).headers['set-cookie'] !== undefined;
    pass(55);
    expect(await isSentAgain()).toBe(false);
    pass(10);
    expect(await isSentAgain()).toBe(true);
    expect(await isSentAgain()).toBe(false);
    pass(65);
    expect(await isSentAgain()).toBe(true);
  });

  it('stays valid with an idle time shorter than a minute', async () => {
    await app.restart({ SESSION_IDLE_SECONDS: '5' });
    const browser = await signIn(app);
    for (let round = 0; round < 4; round += 1) {
      pass(3);
      expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    }
    pass(6);
    expect(await whoIs(browser, app)).toBeUndefined();
  });

  it('takes over a shorter idle time after a restart', async () => {
    const browser = await signIn(app);
    pass(30 * MINUTE);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    await app.restart({ SESSION_IDLE_SECONDS: '120' });
    pass(65);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    expect(cookieLifetime(browser)).toBeCloseTo(120, -1);
  });
});

describe('the profile', () => {
  it('shows when the session ends', async () => {
    vi.setSystemTime(new Date('2026-11-25T08:00:00Z'));
    const { page } = await signIn(app);
    const times = [...(page?.body ?? '').matchAll(/<time datetime="2026-11-25T(\d\d:\d\d)/g)];
    expect(times.map(([, time]) => time)).toEqual(['08:00', '09:00', '11:00', '08:05']);
  });
});

describe('a cookie without a session', () => {
  it.each([
    ['forged', 's%3Anot-an-id.not-a-signature'],
    ['unsigned', 'not-an-id'],
    ['empty', ''],
    [
      'with a signature of another secret',
      's%3AHBKZKZjnjlQYysrT6Bd.ZJOhJcnHQU8sWm8I8nu9UVFdP9jBVw8',
    ],
  ])(
    'is not deleted, since it may belong to another application on the host (%s)',
    async (_case, value) => {
      const browser = await signIn(app);
      const name = browser.jar.find('session')?.line.split('=', 1)[0];
      const stranger = new Browser();
      for (const its of [name, 'session']) {
        stranger.jar.store(new URL(app.url), [`${its}=${value}; Path=/`]);
        const { status, headers } = await stranger.get(app.url);
        expect([status, headers['set-cookie']]).toEqual([200, undefined]);
        expect((await stranger.get(`${app.url}/profile`)).location?.pathname).toBe('/login');
      }
    },
  );

  it('does not block a new sign-in', async () => {
    const browser = await signIn(app);
    browser.jar.store(new URL(app.url), [
      `${browser.jar.find('session')?.line.split('=', 1)[0]}=s%3Aold.broken; Path=/`,
    ]);
    await browser.open(`${app.url}/login?return_to=/profile`);
    expect(browser.page?.url.pathname).toBe('/profile');
  });
});
