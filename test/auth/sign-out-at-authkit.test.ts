// Sign-out with an AuthKit that advertises an end_session_endpoint, which today's does not, or no
// revocation_endpoint.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { startHostApp } from '../support/app/host.ts';
import { CLIENT_ID, startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';
import { plainText } from '../support/browser/forms.ts';

const ENDED_TOO = 'AuthKit has returned you from ending its own.';
const MAYBE_NOT = 'AuthKit may still remember you';

describe('sign-out with an advertised end_session_endpoint', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ authKit: { endSession: true } });
  });
  afterAll(() => app.close());

  it('sends the browser there with id_token_hint and state, and back to /signed-out', async () => {
    const browser = await signIn(app);
    const { location } = await browser.press('Sign out');
    expect(`${location?.origin}${location?.pathname}`).toBe(`${app.authKit.issuer}/oauth2/logout`);
    expect(Object.fromEntries(location?.searchParams ?? [])).toEqual({
      client_id: app.env['OAUTH_APP_CLIENT_ID'],
      id_token_hint: expect.stringMatching(/^eyJ/),
      post_logout_redirect_uri: `${app.url}/signed-out`,
      state: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it('ends the session at AuthKit too, and says so on /signed-out', async () => {
    const browser = await signIn(app);
    await browser.follow(await browser.press('Sign out'));
    const { origin, pathname } = browser.page?.url ?? new URL('about:blank');
    expect(`${origin}${pathname}`).toBe(`${app.url}/signed-out`);
    expect(plainText(browser.page?.body ?? '')).toContain(ENDED_TOO);
    await browser.open('/login?return_to=/profile');
    expect(browser.page?.body).toContain('choose who you are');
  });

  it.each(['', '?state=ended', '?state=x', '?state=ended&state=ended', '?error=access_denied'])(
    'does not claim on /signed-out%s that a session has ended',
    async (query) => {
      const visitor = await new Browser().open(`${app.url}/signed-out${query}`);
      const bare = await new Browser().open(`${app.url}/signed-out`);
      expect([visitor.status, visitor.body]).toEqual([200, bare.body]);
      expect(plainText(visitor.body)).not.toMatch(/ha(?:s|ve) (?:both )?ended/);

      const browser = await signIn(app);
      await browser.open(`${app.url}/signed-out${query}`);
      const shown = plainText(browser.page?.body ?? '');
      expect(shown).toContain('You are still signed in');
      expect(shown).not.toContain('signed out');
    },
  );

  it('logs no token', async () => {
    const browser = await signIn(app);
    await browser.follow(await browser.press('Sign out'));
    expect(JSON.stringify(app.log)).not.toMatch(/eyJ\w+\./);
  });

  it('is allowed by form-action of the Content-Security-Policy', async () => {
    const { page } = await signIn(app);
    const policy = String(page?.headers['content-security-policy']);
    expect(policy).toContain(`form-action 'self' ${app.authKit.issuer}`);
  });
});

describe('the state of a sign-out', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ authKit: { endSession: true } });
  });
  afterEach(() => void vi.useRealTimers());
  afterAll(() => app.close());

  /** Signs this browser in and out; returns the state that was sent to AuthKit. */
  async function stateOfSignOut(browser: Browser): Promise<string> {
    await signIn(app, { browser });
    const { location } = await browser.press('Sign out');
    return location?.searchParams.get('state') ?? '';
  }

  /** What the signed-out page says about AuthKit's session to this browser. */
  async function said(browser: Browser, query: string): Promise<string | undefined> {
    const { status, body } = await browser.get(`${app.url}/signed-out${query}`);
    expect(status).toBe(200);
    return [ENDED_TOO, MAYBE_NOT].find((text) => plainText(body).includes(text));
  }

  it('shows once that AuthKit has ended its session', async () => {
    const browser = new Browser();
    const state = await stateOfSignOut(browser);
    expect(await said(browser, `?state=${state}`)).toBe(ENDED_TOO);
    expect(browser.jar.names()).not.toContain('sign-out');
    expect(await said(browser, `?state=${state}`)).toBe(MAYBE_NOT);
  });

  it.each<[string, (state: string) => string]>([
    ['is missing', () => ''],
    ['is empty', () => '?state='],
    ['is another', () => '?state=another'],
    ['is the beginning of the right one', (state) => `?state=${state.slice(0, -1)}`],
    ['comes twice', (state) => `?state=${state}&state=${state}`],
    ['comes as a list', (state) => `?state[]=${state}`],
  ])('shows nothing when it %s, and spends nothing', async (_what, query) => {
    const browser = new Browser();
    const state = await stateOfSignOut(browser);
    expect(await said(browser, query(state))).toBe(MAYBE_NOT);
    expect(await said(browser, `?state=${state}`)).toBe(ENDED_TOO);
  });

  it('shows nothing in another browser', async () => {
    const state = await stateOfSignOut(new Browser());
    expect(await said(new Browser(), `?state=${state}`)).toBe(MAYBE_NOT);
    const other = new Browser();
    await stateOfSignOut(other);
    expect(await said(other, `?state=${state}`)).toBe(MAYBE_NOT);
  });

  it('shows nothing an hour later', async () => {
    const browser = new Browser();
    const state = await stateOfSignOut(browser);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    expect(await said(browser, `?state=${state}`)).toBe(MAYBE_NOT);
  });

  it('is that of the last sign-out, in whichever tab', async () => {
    const browser = new Browser();
    const [first, second] = [await stateOfSignOut(browser), await stateOfSignOut(browser)];
    expect(await said(browser, `?state=${first}`)).toBe(MAYBE_NOT);
    // A second press in a tab that was still open: there is no session to end, at AuthKit neither.
    await browser.post(`${app.url}/logout`);
    expect(await said(browser, `?state=${second}`)).toBe(ENDED_TOO);
  });

  it('is in no page and not in the log', async () => {
    const browser = new Browser();
    const state = await stateOfSignOut(browser);
    const { body } = await browser.get(`${app.url}/signed-out?state=${state}`);
    expect(body).not.toContain(state);
    expect(JSON.stringify(app.log)).not.toContain(state);
  });

  it('is in a cookie with the prefix __Host- on https', async () => {
    const issuer = await startSignInIssuer();
    const end_session_endpoint = `${issuer.url}/logout`;
    issuer.vary = { metadata: { end_session_endpoint } };
    const [origin, scheme] = [(url: string) => url.replace('http:', 'https:'), /^https:/];
    const options = { issuer: new URL(issuer.url), clientId: CLIENT_ID, origin };
    const host = await startHostApp(options, (server, auth) =>
      server.use(auth.session, auth.routes),
    );
    const browser = new Browser();
    // As behind a proxy that ends TLS: the browser is led to https, the app is reached by http.
    const authorize = await browser.get(`${host.url}/login`);
    const { location } = await browser.get(authorize.location ?? '');
    await browser.get(location?.href.replace(scheme, 'http:') ?? '');
    const { headers } = await browser.post(`${host.url}/logout`, {}, { from: undefined });
    const [line] = (headers['set-cookie'] ?? []).filter((cookie) => cookie.includes('sign-out'));
    expect(line).toMatch(/^__Host-sign-out-[\w-]{6}=[\w-]{43}; Max-Age=600; Path=\/; Expires=.+; /);
    expect(line).toMatch(/; HttpOnly; Secure; SameSite=Lax$/);
    await host.close();
    await issuer.close();
  });
});

it('sign-out sends no revocation request when none is advertised, and keeps no state', async () => {
  const app = await startTestApp({ authKit: { revocation: false } });
  const browser = await signIn(app);
  const signedOut = await browser.press('Sign out');
  expect(signedOut.location?.href).toBe(`${app.url}/signed-out`);
  expect(String(signedOut.headers['set-cookie'])).not.toContain('sign-out');
  expect(app.log).toContainEqual(
    expect.objectContaining({ event: 'signed_out', revocation: 'not_advertised' }),
  );
  expect(app.authKit.control.requests().revocation).toBe(0);
  await app.close();
});

it('sign-out sends no revocation request without a refresh token', async () => {
  const app = await startTestApp({ env: { OAUTH_SCOPE: 'openid' } });
  const browser = await signIn(app);
  await browser.press('Sign out');
  expect(app.log).toContainEqual(
    expect.objectContaining({ event: 'signed_out', revocation: 'no_token' }),
  );
  expect(app.authKit.control.requests().revocation).toBe(0);
  await app.close();
});
