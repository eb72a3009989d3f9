// The session that a sign-in begins: its id, its cookie, and the restarts and rotations it
// survives.
import { join } from 'node:path';
import type { Express } from 'express';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startLocalAuthKit } from '../../../src/development/local-authkit/start.ts';
import {
  freePort,
  settingsFor,
  signIn,
  startTestApp,
  untilReady,
  type TestApp,
} from '../../support/app/app.ts';
import { cookieWith, startSeededHost } from '../../support/app/seeded-host.ts';
import { Browser } from '../../support/browser/browser.ts';
import { whoIs } from '../../support/browser/callback.ts';
import { temporaryFiles } from '../../support/store/stores.ts';

const newFile = temporaryFiles();

describe('a session', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('does not begin for a visitor, who gets no cookie', async () => {
    const browser = new Browser();
    for (const path of [
      '/',
      '/signed-out',
      '/draft',
      '/profile',
      '/nowhere',
      '/api/me',
      '/callback',
    ]) {
      const { headers } = await browser.get(`${app.url}${path}`);
      expect(headers['set-cookie'], path).toBeUndefined();
    }
  });

  it('has a new id after each sign-in, and the old id ends', async () => {
    const browser = await signIn(app, { person: 'Bruno' });
    const before = new Browser();
    before.jar.copyFrom(browser.jar);
    await browser.open('/login?return_to=/profile');
    expect(browser.jar.find('session')?.value).not.toBe(before.jar.find('session')?.value);
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    expect(await whoIs(before, app)).toBeUndefined();
  });

  it('never takes over the id of a planted cookie (fixation)', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const planted = browser.jar.find('session')?.value;
    const victim = new Browser();
    victim.jar.store(new URL(app.url), [`session=${planted}; Path=/`]);
    await victim.open(`${app.url}/login?return_to=/profile`);
    await victim.follow(await victim.press('Bruno'));
    expect(victim.jar.find('session')?.value).not.toBe(planted);
    expect(await whoIs(victim, app)).toBe('Bruno Okafor');
  });

  it('has an HttpOnly, SameSite=Lax cookie for the whole site that lasts its idle time', async () => {
    const { jar } = await signIn(app);
    const expires = /Expires=([^;]+)/.exec(jar.find('session')?.line ?? '')?.[1] ?? '';
    expect(Math.abs(Date.parse(expires) - Date.now() - 86_400_000)).toBeLessThan(10_000);
    const attributes = jar.find('session')?.line.split('; ').slice(1).toSorted();
    expect(attributes).toEqual([`Expires=${expires}`, 'HttpOnly', 'Path=/', 'SameSite=Lax']);
    const attempt = [...jar.cookies.values()].find(({ name }) => name.startsWith('sign-in-'));
    expect(attempt?.line).toMatch(/; Path=\/; .*HttpOnly; SameSite=Lax$/);
  });

  it('puts no token and no name into a cookie', async () => {
    const { jar } = await signIn(app);
    const cookies = decodeURIComponent([...jar.cookies.values()].map((c) => c.line).join('\n'));
    expect(cookies).not.toMatch(/\beyJ\w+\.|[Bb]runo/);
  });

  it('survives a restart of the app', async () => {
    const browser = await signIn(app);
    await app.restart();
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });

  it('survives a rotation of SESSION_SECRET, and ends when its secret is removed', async () => {
    const browser = await signIn(app);
    const [old, next] = [app.env['SESSION_SECRET'] ?? '', 'the-next-secret-0123456789-abcdefghij'];
    await app.restart({ SESSION_SECRET: `${next},${old}` });
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    const newcomer = await signIn(app, { person: 'Ada' });

    await app.restart({ SESSION_SECRET: next });
    expect(await whoIs(browser, app)).toBeUndefined();
    expect(await whoIs(newcomer, app)).toBe('Ada Lindqvist');
  });

  it('is not valid in another application of the same AuthKit', async () => {
    const browser = await signIn(app);
    await app.restart(settingsFor(app.authKit, 'thirdParty'));
    expect(await whoIs(browser, app)).toBeUndefined();
    await app.restart(settingsFor(app.authKit, 'firstParty'));
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });
});

describe('behind a proxy that ends TLS', () => {
  let app: TestApp;
  let origin: string;
  beforeAll(async () => {
    const port = await freePort();
    origin = `http://localhost:${port}`;
    const baseUrl = `https://localhost:${port}`;
    app = await startTestApp({
      env: { BASE_URL: baseUrl, PORT: String(port) },
      authKit: { redirectUris: [`${baseUrl}/callback`] },
    });
  });
  afterAll(() => app.close());

  it('every cookie is Secure with the __Host- prefix if BASE_URL is https', async () => {
    const browser = new Browser();
    await browser.open(`${origin}/login?return_to=/profile`);
    let page = await browser.press('Bruno');
    while (page.location?.pathname !== '/callback') page = await browser.get(page.location ?? '');
    expect(page.location?.protocol).toBe('https:');
    const { status } = await browser.get(`${origin}/callback${page.location?.search}`);
    expect(status).toBe(303);

    const ours = [...browser.jar.cookies.values()].filter(
      ({ line }) => !/local_authkit/.test(line),
    );
    expect(ours.map(({ name }) => name)).toContainEqual(
      expect.stringMatching(/^__Host-session-[\w-]{6}$/),
    );
    expect(ours.some(({ name }) => name.startsWith('__Host-sign-in-'))).toBe(true);
    for (const { line } of ours) expect(line).toMatch(/; Secure(?:;|$)/);
    const { body } = await browser.get(`${origin}/profile`);
    expect(body).toContain('Bruno Okafor');
  });
});

const idPage = (app: Express) => app.get('/id', (req, res) => void res.json(req.session.id));
const whosePage = (app: Express) =>
  app.get('/whose', (req, res) => {
    res.json([req.user?.sub, req.session.signedIn?.user.sub]);
  });

describe('a cookie signed with the second secret', () => {
  it('is sent again signed with the first, and keeps its session', async () => {
    const host = await startSeededHost({ file: newFile(), addPages: whosePage });
    onTestFinished(() => host.close());
    const cookie = await host.seed('ada', 120_000);
    const [renewed = ''] = (await host.ask('/whose', cookie)).cookies;
    expect(renewed).not.toContain(cookie.slice(-20));
    const { body } = await host.ask('/whose', renewed.split(';')[0] ?? '');
    expect(body).toEqual(['ada', 'ada']);
  });

  it('does not begin a session under its id when the store has none (fixation)', async () => {
    const host = await startSeededHost({ file: newFile(), addPages: idPage });
    onTestFinished(() => host.close());
    const { body, cookies } = await host.ask('/id', cookieWith('planted'));
    expect(body).not.toBe('planted');
    expect(cookies).toEqual([]);
  });
});

it('a session survives a restart of the app and the local AuthKit together', async () => {
  const port = await freePort();
  const app = await startTestApp({ authKit: { port } });
  const browser = await signIn(app, { person: 'Chiara', organization: 'Blue Kiln Studio' });
  await app.stop();
  await app.authKit.close();

  const again = await startLocalAuthKit({
    port,
    stateFile: join(app.folder, 'authkit.json'),
    redirectUris: [`${app.url}/callback`],
  });
  expect(again.issuer).toBe(app.authKit.issuer);
  await app.restart();
  expect(await whoIs(browser, app)).toBe('Chiara Fontana');
  await untilReady(app);
  // AuthKit kept its own session too: it shows only the screen to choose an organization.
  await browser.open('/login?return_to=/profile');
  expect(browser.page?.body).toContain('Choose an organization');
  await app.stop();
  await again.close();
});
