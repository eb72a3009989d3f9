// POST /logout: the session ends here first, then at AuthKit as far as AuthKit offers it.
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

describe('signing out', () => {
  it('ends the session here, for a copy of the cookie too, and lands on /signed-out', async () => {
    const browser = await signIn(app);
    const copy = new Browser();
    copy.jar.copyFrom(browser.jar);
    const { status, location } = await browser.press('Sign out');
    expect([status, location?.href]).toEqual([303, `${app.url}/signed-out`]);
    expect(browser.jar.find('session')).toBeUndefined();
    expect(await whoIs(browser, app)).toBeUndefined();
    expect(await whoIs(copy, app)).toBeUndefined();
  });

  it('leaves the sessions in other browsers alone', async () => {
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

  it('does not wait for a revocation that hangs, and says when one fails', async () => {
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

  it('does not wait for an issuer that was never reached', async () => {
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

  it('works for someone who is not signed in, and twice', async () => {
    const visitor = new Browser();
    const { status, location } = await visitor.post(`${app.url}/logout`);
    expect([status, location?.pathname]).toEqual([303, '/signed-out']);
    const browser = await signIn(app);
    await browser.press('Sign out');
    expect((await browser.post(`${app.url}/logout`)).location?.pathname).toBe('/signed-out');
  });

  it('never happens by GET', async () => {
    const browser = await signIn(app);
    for (const method of ['GET', 'HEAD']) {
      expect((await browser.fetch('/logout', { method })).status).toBe(404);
    }
    expect((await browser.get('/logout')).status).toBe(404);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });
});

describe('a post from elsewhere', () => {
  type Headers = Record<string, string>;
  it.each<[string, (origin: string) => Headers]>([
    ['an opaque origin', () => ({ origin: 'null' })],
    ['another site', () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })],
    ['a look-alike', (own) => ({ origin: `${own}.evil.example` })],
    ['another scheme', (own) => ({ origin: own.replace('http:', 'https:') })],
    ['another port', (own) => ({ origin: own.replace(/\d+$/, '1') })],
    ['a sibling', () => ({ 'sec-fetch-site': 'same-site' })],
    ['another site, as Sec-Fetch-Site alone says', () => ({ 'sec-fetch-site': 'cross-site' })],
    ['a sibling that forges no Origin', (own) => ({ origin: own, 'sec-fetch-site': 'same-site' })],
  ])('that is %s is refused and signs nobody out', async (_case, headersFor) => {
    const browser = await signIn(app);
    const page = await browser.post('/logout', {}, { headers: headersFor(app.url) });
    expect([page.status, codeOn(page)]).toEqual([403, 'cross_site_request']);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });

  it('without any header that says so is left to SameSite (old browsers, tools)', async () => {
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

describe('the signed-out page', () => {
  it('is public, says that AuthKit may remember, and offers to be someone else', async () => {
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

  it('tells who is signed in that they are, and lets them sign out or go home', async () => {
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

  it('tells nobody that they are signed out because the store is away', async () => {
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

  it('never starts a sign-in by itself', async () => {
    const { status, headers, body } = await new Browser().get(`${app.url}/signed-out`);
    expect([status, headers['refresh']]).toEqual([200, undefined]);
    expect(body).not.toMatch(/http-equiv="refresh"|<script/);
  });
});
