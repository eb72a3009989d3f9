// AuthKit challenges a client that it does not authenticate (`WWW-Authenticate`, RFC 6749 §5.2), and
// openid-client then reads no error from the response. Every request of the app still has the code
// that operators watch the log for.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, untilReady, type TestApp } from '../support/app/app.ts';
import { pass } from '../support/app/issuer-app.ts';
import { Browser } from '../support/browser/browser.ts';
import { authorizationResponseFor, outcome } from '../support/browser/callback.ts';

const WRONG = 'not-the-secret-of-this-application';
vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

describe('with a client secret that AuthKit no longer accepts', () => {
  let app: TestApp;
  let browser: Browser;
  beforeAll(async () => {
    app = await startTestApp();
    browser = await signIn(app);
    await app.restart({ OAUTH_APP_CLIENT_SECRET: WRONG });
    await untilReady(app);
  });
  beforeEach(() => void app.log.splice(0));
  afterAll(() => app.close());

  const lines = (event: string) => app.log.filter((line) => line.event === event);

  it('a sign-in fails as client_refused, and is logged as an error without the secret', async () => {
    const visitor = new Browser();
    const response = await authorizationResponseFor(app, visitor);
    expect(await outcome(visitor, response)).toEqual([502, 'client_refused']);
    expect(lines('sign_in_failed')).toMatchObject([{ code: 'client_refused' }]);
    expect(app.log.at(-1)).toMatchObject({ level: 'error', code: 'client_refused' });
    expect(JSON.stringify(app.log)).not.toContain(WRONG);
  });

  it('a page that asks whether the grant is active fails as client_refused', async () => {
    expect(await outcome(browser, '/moderation')).toEqual([502, 'client_refused']);
  });

  it('a refresh fails as client_refused, and the session goes on', async () => {
    pass(270);
    expect((await browser.get('/profile')).status).toBe(200);
    expect(lines('refresh_failed')).toMatchObject([{ code: 'client_refused' }]);
    expect(lines('client_refused')).toMatchObject([{ level: 'error', code: 'client_refused' }]);
  });

  it('a revocation fails as client_refused', async () => {
    await browser.open('/');
    await browser.press('Sign out');
    await vi.waitFor(() =>
      expect(lines('revocation_failed')).toMatchObject([{ code: 'client_refused' }]),
    );
  });
});
