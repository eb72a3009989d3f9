// Sign-out with an AuthKit that advertises an end_session_endpoint, which today's does not, or no
// revocation_endpoint.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { plainText } from '../support/browser/forms.ts';

describe('sign-out with an advertised end_session_endpoint', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ authKit: { endSession: true } });
  });
  afterAll(() => app.close());

  it('sends the browser there with id_token_hint, and back to /signed-out', async () => {
    const browser = await signIn(app);
    const { location } = await browser.press('Sign out');
    expect(`${location?.origin}${location?.pathname}`).toBe(`${app.authKit.issuer}/oauth2/logout`);
    expect(Object.fromEntries(location?.searchParams ?? [])).toEqual({
      client_id: app.env['OAUTH_APP_CLIENT_ID'],
      id_token_hint: expect.stringMatching(/^eyJ/),
      post_logout_redirect_uri: `${app.url}/signed-out`,
    });
  });

  it('ends the session at AuthKit too, and says so on /signed-out', async () => {
    const browser = await signIn(app);
    await browser.follow(await browser.press('Sign out'));
    expect(browser.page?.url.href).toBe(`${app.url}/signed-out`);
    const shown = plainText(browser.page?.body ?? '');
    expect(shown).toContain('Signing out also asks AuthKit to end its own session.');
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

  it('does not claim that the AuthKit session has ended before AuthKit is reached', async () => {
    app.authKit.control.fault({ endpoint: 'discovery', kind: 'silent' });
    await app.restart();
    const { body } = await new Browser().open(`${app.url}/signed-out`);
    expect(plainText(body)).toContain('AuthKit may still remember you');
    app.authKit.control.reset();
    await app.restart();
  });

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

it('sign-out sends no revocation request when none is advertised', async () => {
  const app = await startTestApp({ authKit: { revocation: false } });
  const browser = await signIn(app);
  expect((await browser.press('Sign out')).location?.pathname).toBe('/signed-out');
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
