// The access token over time: renewed before it expires, kept through what passes by itself; the
// session ends only by an answer that says so.
import type { RequestListener, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestApp, type LogLine, type TestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { audience, json } from './support/issuer.ts';
import { startSignInIssuer, type SignInIssuer } from './support/sign-in-issuer.ts';

const NOTICE = 'AuthKit cannot be reached';

let issuer: SignInIssuer;
let app: TestApp;

const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000);
const refreshes = () =>
  issuer.exchanges.filter((form) => form.get('grant_type') === 'refresh_token');
const events = (name: string): LogLine[] => app.log.filter(({ event }) => event === name);

async function start(env: Record<string, string> = {}): Promise<void> {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: { ...issuer.env, API_AUDIENCE: audience, ...env } });
}

async function stop(): Promise<void> {
  await app.close();
  await issuer.close();
}

async function signedIn(path = '/profile'): Promise<Browser> {
  const browser = new Browser();
  expect((await browser.open(`${app.url}${path}`)).status).toBe(200);
  issuer.exchanges.splice(0);
  issuer.hits.clear();
  return browser;
}

// One clock for the whole file: what an app remembers never lies in its future.
vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());
beforeEach(() => {
  // What an earlier test broke may still be paused.
  pass(60);
  issuer.vary = {};
  app.log.splice(0);
});

describe('an access token', () => {
  beforeAll(() => start({ OAUTH_RESOURCE: 'https://api.example.com' }));
  afterAll(stop);

  it.each([
    ['of 300 s is renewed when 60 s are left', { expires_in: 300 }, 240],
    ['of 3600 s is renewed when 60 s are left', { expires_in: 3_600 }, 3_540],
    ['of 100 s is renewed when a fifth of it is left', { expires_in: 100 }, 80],
    ['that names no lifetime lives as long as its claims say', { expires_in: undefined }, 240],
  ])('%s', async (_, response, dueAfter) => {
    issuer.vary = { response };
    const browser = await signedIn();
    pass(dueAfter - 1);
    await browser.get('/profile');
    expect(refreshes()).toHaveLength(0);
    pass(1);
    await browser.get('/profile');
    await browser.get('/profile');
    expect(refreshes()).toHaveLength(1);
    expect(events('tokens_refreshed')).toMatchObject([{ sub: 'user_01', version: 2 }]);
  });

  it('is renewed with the refresh token that came last, and for the same resource', async () => {
    const browser = await signedIn();
    for (const next of ['second', 'third', undefined, 'fourth']) {
      issuer.vary = { response: { refresh_token: next } };
      pass(270);
      expect((await browser.get('/profile')).body).not.toContain(NOTICE);
    }
    const sent = refreshes().map((form) => form.get('refresh_token'));
    // The third answer brought none: that keeps the one there is.
    expect(sent).toEqual(['a-refresh-token', 'second', 'third', 'third']);
    const resources = new Set(refreshes().map((form) => form.get('resource')));
    expect([...resources]).toEqual(['https://api.example.com']);
  });

  it('may come without an ID token', async () => {
    const browser = await signedIn();
    issuer.vary = { response: { id_token: undefined } };
    pass(270);
    const page = await browser.get('/profile');
    expect([page.status, page.body.includes('nora@example.com')]).toEqual([200, true]);
    expect(refreshes()).toHaveLength(1);
  });

  it.each([
    ['an ID token of somebody else', { idToken: { sub: 'user_02' } }],
    ['an ID token of another issuer', { idToken: { iss: 'https://other.authkit.app' } }],
    ['an ID token for another application', { idToken: { aud: 'client_other' } }],
    ['an access token of somebody else', { accessToken: { sub: 'user_02' } }],
    ['an access token of another issuer', { accessToken: { iss: 'https://other.authkit.app' } }],
  ])('that comes with %s ends the session', async (_, vary) => {
    const browser = await signedIn();
    issuer.vary = vary;
    pass(270);
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    expect(browser.jar.names()).not.toContain('session');
    expect(events('session_ended')).toMatchObject([{ reason: 'identity_changed' }]);
  });

  it('for another organization takes effect at once, and is noticed', async () => {
    issuer.vary = { accessToken: { org_id: 'org_01' } };
    const browser = await signedIn();
    issuer.vary = { accessToken: { org_id: 'org_02' } };
    pass(270);
    const profile = await browser.get('/profile');
    expect(profile.body).toContain('org_02');
    expect(profile.body).not.toContain('org_01');
    expect(events('organization_changed')).toMatchObject([{ from: 'org_01', to: 'org_02' }]);
    issuer.vary = {};
    pass(270);
    expect((await browser.get('/organization')).status).toBe(403);
    expect(events('organization_changed')).toMatchObject([{}, { from: 'org_02' }]);
  });
});

/** Seconds; a cookie's expiry is cut to whole ones. */
const cookieEndsIn = (browser: Browser) =>
  Math.ceil(((browser.jar.find('session')?.expiresAt ?? 0) - Date.now()) / 1_000);

const status =
  (code: number, body: unknown = 'out of order', headers = {}): RequestListener =>
  (_req, res) => {
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, String(value));
    json(res, body, code);
  };

describe('while AuthKit', () => {
  beforeAll(() => start());
  afterAll(stop);

  it.each<[string, RequestListener]>([
    ['cuts the connection', (req) => req.socket.destroy()],
    ['answers 408', status(408)],
    ['answers 429', status(429, { error: 'rate_limited' }, { 'retry-after': 3 })],
    ['answers 500', status(500)],
    ['answers 503', status(503, { error: 'temporarily_unavailable' })],
    ['answers 400 without saying why', status(400, {})],
    ['answers garbage', (_req, res) => void res.writeHead(200).end('<html>')],
    ['answers 200 without a token', status(200, {})],
    ['does not know the application', status(401, { error: 'invalid_client' })],
  ])(
    '%s, pages that need the user go on, and what needs a fresh token says 503',
    async (_, token) => {
      issuer.vary = { accessToken: { org_id: 'org_01' } };
      const browser = await signedIn();
      issuer.vary = { token };
      pass(270);
      const profile = await browser.get('/profile');
      expect([profile.status, profile.body.includes(NOTICE)]).toEqual([200, true]);
      expect((await browser.get('/organization')).status).toBe(200);
      // The old token is good for 30 s more.
      expect((await browser.get('/api-call')).status).toBe(200);
      pass(31);
      const call = await browser.get('/api-call');
      expect(call.status).toBe(503);
      expect(Number(call.headers['retry-after'])).toBeGreaterThan(0);
      expect(call.body).toContain('fresh_token_unavailable');

      issuer.vary = { accessToken: { org_id: 'org_01' } };
      pass(60);
      expect((await browser.get('/api-call')).status).toBe(200);
      expect(events('session_ended')).toEqual([]);
    },
  );

  it('does not know the application, that is an alarm for the operator', async () => {
    const browser = await signedIn();
    issuer.vary = { token: status(401, { error: 'invalid_client' }) };
    pass(270);
    await browser.get('/profile');
    expect(events('client_refused')).toMatchObject([{ level: 'error' }]);
  });

  it('fails, it is asked again after a pause that grows, and not by every request', async () => {
    const browser = await signedIn();
    pass(270);
    await browser.get('/profile');
    issuer.hits.clear();
    issuer.vary = { token: status(503) };
    pass(270);
    const pauses: number[] = [];
    for (let round = 1; round <= 4; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => browser.get('/profile')));
      expect(issuer.hits.get('/oauth2/token')).toBe(round);
      pauses.push(Number(events('refresh_failed').at(-1)?.['retryInSeconds']));
      pass(pauses.at(-1) ?? 0);
    }
    // Twice as long each time, less up to half of it for jitter.
    for (const [index, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(2 ** index / 2);
      expect(pause).toBeLessThanOrEqual(2 ** index);
    }
  });

  it('fails for many at once, that is one failure', async () => {
    const browsers = await Promise.all(Array.from({ length: 6 }, () => signedIn()));
    pass(270);
    await browsers[0]?.get('/profile');
    // It answers when all have asked.
    const waiting: ServerResponse[] = [];
    const token: RequestListener = (_req, res) => {
      if (waiting.push(res) === browsers.length) for (const each of waiting) json(each, {}, 503);
    };
    issuer.vary = { token };
    pass(270);
    await Promise.all(browsers.map((browser) => browser.get('/profile')));
    const pauses = events('refresh_failed').map((line) => Number(line['retryInSeconds']));
    expect(pauses).toEqual(browsers.map(() => 1));
  });

  it('asks to be left alone for a while, it is', async () => {
    const browser = await signedIn();
    issuer.vary = { token: status(429, { error: 'slow_down' }, { 'retry-after': 45 }) };
    pass(270);
    await browser.get('/profile');
    pass(44);
    const call = await browser.get('/api-call');
    expect([call.status, call.headers['retry-after']]).toEqual([503, '1']);
    expect(issuer.hits.get('/oauth2/token')).toBe(1);
    pass(1);
    await browser.get('/profile');
    expect(issuer.hits.get('/oauth2/token')).toBe(2);
  });

  it('says that the grant is over, the session ends and leads back after signing in', async () => {
    const browser = await signedIn();
    issuer.vary = { token: status(400, { error: 'invalid_grant' }) };
    pass(270);
    const page = await browser.get('/profile?tab=time');
    expect(page.location?.href).toBe(`${app.url}/login?return_to=%2Fprofile%3Ftab%3Dtime`);
    expect(browser.jar.names()).not.toContain('session');
    expect(events('session_ended')).toMatchObject([{ reason: 'grant_ended' }]);
    issuer.vary = {};
    const back = await browser.follow(page);
    expect([back.status, back.url.href]).toEqual([200, `${app.url}/profile?tab=time`]);
  });

  it('says so to a script, the script is told to sign in', async () => {
    const browser = await signedIn();
    issuer.vary = { token: status(400, { error: 'invalid_grant' }) };
    pass(270);
    const answer = await browser.fetch('/profile');
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      401,
      { error: 'login_required', login: '/login?return_to=%2Fprofile' },
    ]);
  });
});

describe('without offline_access', () => {
  beforeAll(() => start({ OAUTH_SCOPE: 'openid profile email' }));
  afterAll(stop);

  it('the session lives on; only what needs a fresh token asks to sign in again', async () => {
    issuer.vary = { response: { refresh_token: undefined } };
    const browser = await signedIn();
    expect((await browser.get('/api-call')).status).toBe(200);
    pass(600);
    const profile = await browser.get('/profile');
    expect([profile.status, profile.body.includes(NOTICE)]).toEqual([200, false]);
    expect(issuer.hits.get('/oauth2/token')).toBeUndefined();
    const call = await browser.open('/api-call');
    expect([call.url.pathname, call.status]).toEqual(['/api-call', 200]);
    expect(issuer.hits.get('/oauth2/token')).toBe(1);
  });
});

describe('a session', () => {
  beforeAll(() => start({ SESSION_IDLE_SECONDS: '600', SESSION_MAX_SECONDS: '3600' }));
  afterAll(stop);

  it('that is used lives on, and ends at the latest after its absolute lifetime', async () => {
    const browser = await signedIn();
    for (let used = 540; used < 3_600; used += 540) {
      pass(540);
      expect((await browser.get('/profile')).status).toBe(200);
      // The cookie's own expiry follows the session's: idle time, or what is left of the whole.
      expect(cookieEndsIn(browser)).toBe(Math.min(600, 3_600 - used));
    }
    const stolen = new Browser();
    stolen.jar.copyFrom(browser.jar);
    pass(3_600 - 6 * 540);
    const cookie = `session=${browser.jar.find('session')?.value}`;
    const late = await stolen.get(`${app.url}/profile`, { headers: { cookie } });
    expect(late.location?.pathname).toBe('/login');
  });

  it('that is not used ends, also for a browser that keeps the cookie longer', async () => {
    const browser = await signedIn();
    const cookie = `session=${browser.jar.find('session')?.value}`;
    pass(599);
    expect((await browser.get('/profile', { headers: { cookie } })).status).toBe(200);
    pass(601);
    const late = await browser.get('/profile', { headers: { cookie } });
    expect(late.location?.pathname).toBe('/login');
  });
});
