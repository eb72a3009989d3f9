// requireActiveSession asks AuthKit, before one sensitive page, whether the grant is still active
// (RFC 7662).
import Database from 'libsql';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn } from '../../support/browser/callback.ts';
import { json } from '../../support/authkit/issuer.ts';
import { pass } from '../../support/app/issuer-app.ts';
import { passMonotonic } from '../../support/clock/monotonic.ts';
import { startHostApp } from '../../support/app/host.ts';
import { CLIENT_ID, startSignInIssuer } from '../../support/authkit/sign-in-issuer.ts';

let app: TestApp;

const asked = () => app.authKit.control.requests().introspection;
const bruno = () => app.authKit.people.find(({ name }) => name.startsWith('Bruno'))?.sub ?? '';

/** A promise to wait for, and the function that resolves it. */
function gate() {
  const openers: (() => void)[] = [];
  const opened = new Promise<void>((resolve) => void openers.push(resolve));
  return { opened, open: () => openers.forEach((open) => open()) };
}

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

describe('a page that needs an active session', () => {
  let browser: Browser;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    browser = await signIn(app);
    app.authKit.control.reset();
    app.log.splice(0);
  });

  const open = () => browser.get('/moderation');

  it('asks AuthKit, and asks again after three seconds', async () => {
    for (const [seconds, times] of [
      [0, 1],
      [2, 1],
      [1, 2],
    ] as const) {
      pass(seconds);
      expect((await open()).status).toBe(200);
      expect(asked()).toBe(times);
    }
  });

  it('asks once for a hundred requests at the same time', async () => {
    pass(4);
    app.authKit.control.fault({ endpoint: 'introspection', kind: 'slow', seconds: 0.2 });
    // Time stands still: a busy machine may take longer for these than the cached three seconds.
    const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    const pages = await Promise.all(Array.from({ length: 100 }, open));
    clock.mockRestore();
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]));
    expect(asked()).toBe(1);
  });

  it('asks again after three seconds even if the wall clock was set back', async () => {
    expect((await open()).status).toBe(200);
    vi.setSystemTime(Date.now() - 7_200_000);
    passMonotonic(3_000);
    expect((await open()).status).toBe(200);
    expect(asked()).toBe(2);
    vi.setSystemTime(Date.now() + 7_200_000);
  });

  it('asks for every request with 0 seconds, and refuses a value that is no time', async () => {
    const issuer = await startSignInIssuer();
    issuer.vary = { metadata: { introspection_endpoint: `${issuer.url}/oauth2/introspection` } };
    issuer.respondAt('/oauth2/introspection', (_req, res) => json(res, { active: true }));
    const application = { clientId: CLIENT_ID, clientSecret: 'a-client-secret-of-the-tests' };
    const host = await startHostApp(
      { issuer: new URL(issuer.url), ...application },
      (own, auth) => {
        own.use(auth.session, auth.routes);
        own.get('/sensitive', auth.requireActiveSession(0), (_req, res) => void res.send('yes'));
      },
    );
    const visitor = new Browser();
    expect((await visitor.open(`${host.url}/login?return_to=/sensitive`)).status).toBe(200);
    const before = issuer.hits.get('/oauth2/introspection') ?? 0;
    for (const _ of [1, 2]) {
      passMonotonic(2);
      expect((await visitor.get(`${host.url}/sensitive`)).status).toBe(200);
    }
    expect((issuer.hits.get('/oauth2/introspection') ?? 0) - before).toBe(2);
    for (const wrong of [Number.NaN, -1, Number(undefined)])
      expect(() => host.auth.requireActiveSession(wrong)).toThrow(RangeError);
    await host.close();
    await issuer.close();
  });

  it('responds with 503, not as if the user were signed out, when the store fails', async () => {
    const { SESSION_DB = '' } = app.env;
    const other = new Database(SESSION_DB);
    other.exec('ALTER TABLE sessions RENAME TO away');
    const page = await open();
    other.exec('ALTER TABLE away RENAME TO sessions');
    other.close();
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
  });

  it('shows a time of the check that is not in the future when AuthKit is slow', async () => {
    app.authKit.control.fault({ endpoint: 'introspection', kind: 'slow', seconds: 0.2 });
    const page = open();
    await vi.waitFor(() => expect(asked()).toBe(1), { interval: 1 });
    pass(2);
    expect((await page).body).toMatch(
      /Checked with AuthKit<[^]*?<\/time><span class="muted">, just now</,
    );
  });

  it.each([
    ['has ended the grant', () => app.authKit.control.endGrant({ sub: bruno() })],
    ['has revoked the tokens', () => app.authKit.control.revokeTokens({ sub: bruno() })],
    ['has let the tokens expire', () => app.authKit.control.expireTokens({ sub: bruno() })],
  ])('ends the session within three seconds once AuthKit %s', async (_, end) => {
    expect((await open()).status).toBe(200);
    end();
    pass(3);
    expect((await open()).location?.href).toBe(`${app.url}/login?return_to=%2Fmoderation`);
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    const ended = app.log.filter(({ event }) => event === 'session_ended');
    expect(ended).toMatchObject([{ reason: 'grant_ended' }]);
  });

  it.each([
    ['cuts the connection', { kind: 'cut' }, 503],
    ['responds with 500', { kind: 'status', status: 500 }, 503],
    ['responds with 429', { kind: 'status', status: 429 }, 503],
    ['responds with garbage', { kind: 'garbage' }, 502],
  ] as const)('is not served while AuthKit %s, and the session stays', async (_, fault, status) => {
    app.authKit.control.fault({ endpoint: 'introspection', ...fault });
    const page = await open();
    expect(page.status).toBe(status);
    if (status === 503) expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
    app.authKit.control.reset();
    expect((await open()).status).toBe(200);
  });

  it('responds to a script without a session with 401', async () => {
    const response = await new Browser().fetch(`${app.url}/moderation`);
    expect(response.status).toBe(401);
  });
});

describe('a Public application', () => {
  it('gets 501 for the page, since it cannot introspect', async () => {
    app = await startTestApp({ kind: 'publicApp' });
    const browser = await signIn(app);
    const page = await browser.get('/moderation');
    expect([page.status, page.body.includes('introspection_unavailable')]).toEqual([501, true]);
    expect((await browser.get('/profile')).status).toBe(200);
    await app.close();
  });
});

describe('without offline_access', () => {
  it('an expired access token leads to a sign-in, and the session stays', async () => {
    app = await startTestApp({ env: { OAUTH_SCOPE: 'openid profile' } });
    const browser = await signIn(app);
    expect((await browser.get('/moderation')).status).toBe(200);
    pass(301);
    expect((await browser.get('/moderation')).location?.pathname).toBe('/login');
    expect((await browser.get('/profile')).status).toBe(200);
    await app.close();
  });
});

describe('during a refresh', () => {
  it('a replaced access token that is no longer active does not end the session', async () => {
    const issuer = await startSignInIssuer();
    const accessToken = { permissions: ['posts:moderate'] };
    const metadata = { introspection_endpoint: `${issuer.url}/oauth2/introspection` };
    issuer.vary = { metadata, accessToken };
    app = await startTestApp({ env: issuer.env });
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);

    // AuthKit invalidates the old token, tells the introspection so, then responds to the refresh.
    const spent = gate();
    const told = gate();
    issuer.respondAt('/oauth2/introspection', async (_req, res) => {
      await spent.opened;
      json(res, { active: issuer.hits.get('/oauth2/introspection') !== 1 });
      told.open();
    });
    const page = browser.get('/moderation');
    await vi.waitFor(() => expect(issuer.hits.get('/oauth2/introspection')).toBe(1));
    pass(270);
    issuer.vary.token = async (_req, res) => {
      spent.open();
      await told.opened;
      const access_token = await issuer.sign();
      json(res, { access_token, token_type: 'bearer', expires_in: 300, refresh_token: 'next' });
    };
    expect((await browser.get('/profile')).status).toBe(200);
    expect((await page).status).toBe(200);
    expect(issuer.hits.get('/oauth2/introspection')).toBe(2);
    await app.close();
    await issuer.close();
  });
});
