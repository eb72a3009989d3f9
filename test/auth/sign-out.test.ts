// POST /logout ends the session here first, then at AuthKit as far as AuthKit offers it.
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser, type Page } from '../support/browser/browser.ts';
import { codeOn, whoIs } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';
import { LocalClient } from '../support/authkit/local-client.ts';
import { storedTokens } from '../support/store/stored-tokens.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(() => app.authKit.control.reset());
afterAll(() => app.close());

describe('POST /logout', () => {
  it('ends the session, even for a copy of its cookie, and redirects to /signed-out', async () => {
    const browser = await signIn(app);
    const copy = new Browser();
    copy.jar.copyFrom(browser.jar);
    const { status, location } = await browser.press('Sign out');
    expect([status, location?.href]).toEqual([303, `${app.url}/signed-out`]);
    expect(browser.jar.find('session')).toBeUndefined();
    expect(await whoIs(browser, app)).toBeUndefined();
    expect(await whoIs(copy, app)).toBeUndefined();
  });

  it('keeps the sessions in other browsers', async () => {
    const [one, other] = [await signIn(app), await signIn(app)];
    await one.press('Sign out');
    expect(await whoIs(other, app)).toBe('Bruno Okafor');
  });

  it('revokes the refresh token at AuthKit', async () => {
    const { clientId, clientSecrets } = app.authKit.applications.firstParty;
    const client = new LocalClient(app.authKit.issuer, clientId, clientSecrets[0]);
    const browser = await signIn(app);
    const tokens = await storedTokens(app, browser);
    expect(await client.introspect(tokens?.refreshToken)).toMatchObject({ active: true });
    await browser.press('Sign out');
    await expect.poll(() => client.introspect(tokens?.refreshToken)).toEqual({ active: false });
    expect(app.log).toContainEqual(
      expect.objectContaining({ event: 'signed_out', revocation: 'requested' }),
    );
  });

  it('does not wait for a slow revocation, and logs one that fails', async () => {
    const browser = await signIn(app);
    app.authKit.control.fault({ endpoint: 'revocation', kind: 'silent' });
    const startedAt = performance.now();
    expect((await browser.press('Sign out')).status).toBe(303);
    expect(performance.now() - startedAt).toBeLessThan(2_000);

    const other = await signIn(app);
    app.authKit.control.fault({ endpoint: 'revocation', kind: 'status', status: 500 });
    expect((await other.press('Sign out')).status).toBe(303);
    const failed = { event: 'revocation_failed', code: 'issuer_unreachable' };
    await expect.poll(() => app.log).toContainEqual(expect.objectContaining(failed));
  });

  it('does not wait for an issuer that is not reached yet', async () => {
    const browser = await signIn(app);
    app.authKit.control.fault({ endpoint: 'discovery', kind: 'silent' });
    await app.restart();
    const startedAt = performance.now();
    expect((await browser.press('Sign out')).status).toBe(303);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await whoIs(browser, app)).toBeUndefined();
    app.authKit.control.reset();
    await app.restart();
  });

  it('redirects to /signed-out without a session too, and a second time', async () => {
    const visitor = new Browser();
    const { status, location } = await visitor.post(`${app.url}/logout`);
    expect([status, location?.pathname]).toEqual([303, '/signed-out']);
    const browser = await signIn(app);
    await browser.press('Sign out');
    expect((await browser.post(`${app.url}/logout`)).location?.pathname).toBe('/signed-out');
  });

  it('is the only method: GET and HEAD get 404 and end nothing', async () => {
    const browser = await signIn(app);
    for (const method of ['GET', 'HEAD']) {
      expect((await browser.fetch('/logout', { method })).status).toBe(404);
    }
    expect((await browser.get('/logout')).status).toBe(404);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });
});

describe('POST /logout', () => {
  type Headers = Record<string, string>;
  it.each<[string, (origin: string) => Headers]>([
    ['with an opaque origin', () => ({ origin: 'null' })],
    ['of another site', () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })],
    ['of a look-alike host', (own) => ({ origin: `${own}.evil.example` })],
    ['with another scheme', (own) => ({ origin: own.replace('http:', 'https:') })],
    ['with another port', (own) => ({ origin: own.replace(/\d+$/, '1') })],
    ['of a sibling subdomain', () => ({ 'sec-fetch-site': 'same-site' })],
    ['of another site by Sec-Fetch-Site alone', () => ({ 'sec-fetch-site': 'cross-site' })],
    [
      'of a sibling subdomain with our own Origin',
      (own) => ({ origin: own, 'sec-fetch-site': 'same-site' }),
    ],
  ])('refuses a form %s with 403, and keeps the session', async (_case, headersFor) => {
    const browser = await signIn(app);
    const page = await browser.post('/logout', {}, { headers: headersFor(app.url) });
    expect([page.status, codeOn(page)]).toEqual([403, 'cross_site_request']);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });

  it('accepts a form without Origin and Sec-Fetch-Site, since SameSite protects old browsers', async () => {
    const browser = await signIn(app);
    const { value } = browser.jar.find('session') ?? {};
    const { status } = await fetch(`${app.url}/logout`, {
      method: 'POST',
      headers: { cookie: `session=${value}` },
      redirect: 'manual',
    });
    expect(status).toBe(303);
    expect(await whoIs(browser, app)).toBeUndefined();
  });
});

describe('/signed-out', () => {
  it('is public, warns that AuthKit may remember the user, and offers another sign-in', async () => {
    const browser = await signIn(app);
    await browser.follow(await browser.press('Sign out'));
    expect([browser.page?.status, browser.page?.url.pathname]).toEqual([200, '/signed-out']);
    const shown = plainText(browser.page?.body ?? '');
    expect(shown).toContain('This browser has no session here. AuthKit may still remember you');
    expect(browser.page?.body).toContain('href="/login?prompt=login&amp;return_to=%2F"');

    await browser.open('/login?return_to=/profile');
    expect(browser.page?.url.pathname).toBe('/profile');
    await browser.follow(await browser.press('Sign out'));
    await browser.open('/login?prompt=login&return_to=%2F');
    expect(browser.page?.body).toContain('choose who you are');
  });

  it('tells a signed-in user so, with links to sign out and to the home page', async () => {
    const browser = await signIn(app);
    const { status, body } = await browser.open(`${app.url}/signed-out`);
    expect([status, plainText(body)]).toEqual([200, expect.stringMatching(/session for Bruno/)]);
    const main = body.slice(body.indexOf('<main'));
    expect(main).toContain('href="/"');
    expect(main).not.toContain('/login');
    browser.page = { ...(browser.page as Page), body: main };
    await browser.follow(await browser.press('Sign out'));
    expect(plainText(browser.page.body)).toContain('You are signed out');
  });

  it('responds with 503 to a signed-in user while the store fails', async () => {
    const browser = await signIn(app);
    const sessions = new Database(app.env['SESSION_DB'] ?? '');
    sessions.exec('ALTER TABLE sessions RENAME TO away');
    const page = await browser.open(`${app.url}/signed-out`);
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
    expect((await new Browser().open(`${app.url}/signed-out`)).status).toBe(200);
    sessions.exec('ALTER TABLE away RENAME TO sessions');
    sessions.close();
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });

  it('does not start a sign-in by itself', async () => {
    const { status, headers, body } = await new Browser().get(`${app.url}/signed-out`);
    expect([status, headers['refresh']]).toEqual([200, undefined]);
    expect(body).not.toMatch(/http-equiv="refresh"|<script/);
  });
});
