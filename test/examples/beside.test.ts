// The example of an app with a login of its own, run as a process and used over HTTP.
import { rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { html } from '../../examples/beside/html.ts';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort, settingsFor } from '../support/app/app.ts';
import { runExample, type Run } from '../support/app/examples.ts';
import { Browser } from '../support/browser/browser.ts';
import { plainText } from '../support/browser/forms.ts';
import { codeBlocks, readText } from '../support/reading/markdown.ts';

const ADA = { email: 'ada.lindqvist@example.com', password: 'the own password of Ada' };
const OLGA = { email: 'olga@example.com', password: 'the own password of Olga' };
const SESSION_SECRET = 'the-secret-of-an-example-0123456789';

let folder: string;
let authKit: LocalAuthKit;
let url: string;
let env: Record<string, string | undefined>;
let example: Run;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'beside-'));
  const port = await freePort();
  url = `http://localhost:${port}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/authkit/callback`] });
  const { PATH } = process.env;
  const settings = settingsFor(authKit, 'firstParty');
  env = { PATH, HOME: folder, ...settings, PORT: String(port), SESSION_SECRET };
  example = await start();
});
beforeEach(() => {
  browser = new Browser();
});
afterAll(async () => {
  example.kill('SIGTERM');
  expect(await example.ended).toMatchObject({ code: 0, stderr: '' });
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

/** Resolves once it has discovered its issuer: until then the sign-in gives 503. */
async function start(): Promise<Run> {
  const run = runExample('beside', [], env, { cwd: folder });
  await run.saw(/^Open http/m);
  await vi.waitUntil(isReady, { timeout: 20_000, interval: 50 });
  return run;
}

const isReady = async () => (await new Browser().get(`${url}/authkit/login`)).status === 302;

const open = async (path: string) => plainText((await browser.open(url + path)).body);
const press = async (button: string, fields = {}) =>
  plainText((await browser.follow(await browser.press(button, fields))).body);

/** Signs in with the app's own login. */
async function signInHere(account: object) {
  await open('/login');
  return press('Sign in', account);
}

/** Signs in with AuthKit, at the page for AuthKit users. */
async function signInWithAuthKit(person: string) {
  await open('/profile');
  return press(person);
}

/** Switches to another AuthKit user; the page shown stays. */
async function signInWithAuthKitInAnotherTab(person: string) {
  const { page } = browser;
  await browser.open(`${authKit.issuer}/oauth2/sign-out`);
  await press('Sign out');
  await open('/authkit/login');
  await press(person);
  browser.page = page;
}

const isConnected = async () => (await open('/profile')).includes('Connected to the account');

/** Resolves to which of the two logins this browser has. */
async function logins() {
  const home = await open('/');
  const [here, withAuthKit] = ['here', 'with AuthKit'].map(
    (where) => new RegExp(`Signed in ${where} as (\\w+)`).exec(home)?.[1],
  );
  return { here, withAuthKit };
}

describe('the app’s own login', () => {
  test('works as before', async () => {
    expect(await open('/account')).toContain('Password');
    expect(await signInHere({ ...OLGA, password: 'another' })).toContain('That was wrong.');
    expect(await signInHere({ ...OLGA, email: 'nobody@example.com' })).toContain('was wrong');
    expect(await signInHere(OLGA)).toContain('Olga, olga@example.com');
    expect(await logins()).toEqual({ here: 'Olga', withAuthKit: undefined });
    await press('Sign out here');
    expect((await browser.open(`${url}/account`)).url.pathname).toBe('/login');
  });

  test('opens its pages to its own users only', async () => {
    await signInWithAuthKit('Bruno');
    expect(await logins()).toEqual({ here: undefined, withAuthKit: 'Bruno' });
    expect((await browser.open(`${url}/account`)).url.pathname).toBe('/login');
  });
});

describe('sign-in with AuthKit', () => {
  test('opens the page for AuthKit users, which the own login does not', async () => {
    await signInHere(OLGA);
    const refused = await browser.get(`${url}/profile`);
    expect([refused.status, refused.location?.pathname]).toEqual([302, '/authkit/login']);
    expect(await signInWithAuthKit('Bruno')).toContain('Bruno Okafor, bruno.okafor@example.com');
  });

  test('leaves the app’s own login and the data of its session as they were', async () => {
    expect(await signInHere(OLGA)).toContain('Views: 1');
    expect(await open('/account')).toContain('Views: 2');
    const cookie = browser.jar.find('connect.sid')?.value;
    await signInWithAuthKit('Bruno');
    expect(await logins()).toEqual({ here: 'Olga', withAuthKit: 'Bruno' });
    expect(await open('/account')).toContain('Views: 3');
    expect(browser.jar.find('connect.sid')?.value).toBe(cookie);
  });

  test('lasts when the own login begins after it', async () => {
    await signInWithAuthKit('Bruno');
    await signInHere(OLGA);
    expect(await logins()).toEqual({ here: 'Olga', withAuthKit: 'Bruno' });
  });

  test('shows an error page with the reason and a way to sign in again', async () => {
    const page = await browser.get(`${url}/authkit/callback?code=x&state=forged`);
    expect(page.status).toBe(400);
    expect(plainText(page.body)).toContain('This browser has no sign-in open');
    expect(page.body).toContain('href="/authkit/login?return_to=%2Fprofile"');
    expect(page.headers['cache-control']).toBe('no-store');
  });
});

describe('the page for both', () => {
  test('opens to either kind of user, and sends others to AuthKit', async () => {
    const refused = await browser.get(`${url}/either`);
    expect(refused.location?.pathname).toBe('/authkit/login');
    await signInHere(OLGA);
    expect(await open('/either')).toContain('You are here as the account olga@example.com');
    browser = new Browser();
    await signInWithAuthKit('Chiara');
    await press('Meridian Labs');
    expect(await open('/either')).toContain('as Chiara Fontana, without an account');
  });
});

describe('signing out', () => {
  beforeEach(async () => {
    await signInHere(OLGA);
    await signInWithAuthKit('Bruno');
    await open('/');
  });

  test.each([
    ['Sign out here', 'of one', { here: undefined, withAuthKit: 'Bruno' }],
    ['Sign out of AuthKit', 'of the other', { here: 'Olga', withAuthKit: undefined }],
    ['Sign out of both', 'of both', { here: undefined, withAuthKit: undefined }],
  ])('"%s" signs out %s', async (button, _which, left) => {
    await press(button);
    expect(await logins()).toEqual(left);
  });

  test('of both is refused as a whole once another AuthKit user has signed in', async () => {
    await signInWithAuthKitInAnotherTab('Ada');
    expect((await browser.press('Sign out of both')).status).toBe(409);
    expect(await logins()).toEqual({ here: 'Olga', withAuthKit: 'Ada' });
  });
});

describe('an AuthKit user whose e-mail address an account has', () => {
  test('is not that account', async () => {
    expect(await signInWithAuthKit('Ada')).toContain('Ada Lindqvist, ada.lindqvist@example.com');
    expect(await isConnected()).toBe(false);
    expect(await open('/either')).toContain('Ada Lindqvist, without an account');
    const refused = await browser.post('/connect', { password: ADA.password });
    expect(refused.status).toBe(403);
    expect(await isConnected()).toBe(false);
  });

  test('is connected with the password of the account, signed in to both, until disconnected', async () => {
    await signInWithAuthKit('Ada');
    await signInHere(ADA);
    await open('/profile');
    expect((await browser.press('Connect', { password: OLGA.password })).status).toBe(403);
    expect(await isConnected()).toBe(false);
    expect(await press('Connect', { password: ADA.password })).toContain(`account ${ADA.email}`);

    browser = new Browser();
    await signInWithAuthKit('Ada');
    expect(await open('/either')).toContain(`You are here as the account ${ADA.email}`);
    expect(await logins()).toEqual({ here: undefined, withAuthKit: 'Ada' });

    await signInHere(OLGA);
    const again = await browser.post('/connect', { password: OLGA.password });
    expect(again.status).toBe(409);

    await open('/profile');
    await press('Disconnect');
    expect(await isConnected()).toBe(false);
  });
});

describe('a form', () => {
  const own = ['/login', '/logout'];
  const paths = [...own, '/connect', '/disconnect', '/logout-both', '/authkit/logout'];

  test('that a page of another origin posts is refused, the app’s own forms included', async () => {
    await signInHere(OLGA);
    await signInWithAuthKit('Bruno');
    const from = 'http://evil.localhost';
    const posts = paths.map((path) => browser.post(url + path, OLGA, { from }));
    expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(paths.map(() => 403));
    expect(await logins()).toEqual({ here: 'Olga', withAuthKit: 'Bruno' });
  });

  test('of a page shown to another AuthKit user is refused', async () => {
    await signInHere(OLGA);
    await signInWithAuthKit('Bruno');
    await signInWithAuthKitInAnotherTab('Ada');
    const refused = await browser.press('Connect', { password: OLGA.password });
    expect(refused.status).toBe(409);
    expect(await isConnected()).toBe(false);
  });
});

test('a page escapes what others chose', () => {
  const name = html`<i>${`<script>"&'`}</i>`;
  expect(html`${name} ${undefined}`.markup).toBe('<i>&#60;script&#62;&#34;&#38;&#39;</i> ');
});

test('its README shows the order of main.ts', () => {
  const [lines = ''] = codeBlocks(readText('examples/beside/README.md'), 'ts');
  const code = readText('examples/beside/main.ts').replaceAll(/^ +/gm, '');
  expect(lines).not.toBe('');
  expect(code).toContain(lines);
});

describe('the log and the settings', () => {
  test('no password and no secret is in the log', async () => {
    await signInHere(OLGA);
    await signInWithAuthKit('Bruno');
    const { clientSecrets } = authKit.applications.firstParty;
    const secrets = [SESSION_SECRET, ADA.password, OLGA.password, ...clientSecrets];
    expect(example.output()).toContain('sign_in_completed');
    expect(secrets.filter((secret) => example.output().includes(secret))).toEqual([]);
  });

  test.each([
    [
      { OAUTH_APP_CLIENT_ID: '', SESSION_SECRET: '' },
      'Set OAUTH_APP_CLIENT_ID, SESSION_SECRET; see examples/beside/README.md.\n',
    ],
    [{ AUTHKIT_ISSUER: 'authkit' }, 'AUTHKIT_ISSUER is not a URL.\n'],
  ])('%o ends it with an error that names the setting', async (changed, stderr) => {
    const run = runExample('beside', [], { ...env, ...changed }, { cwd: folder });
    expect(await run.ended).toEqual({ code: 1, stdout: '', stderr });
  });

  test('a port that is taken ends it with an error', async () => {
    const { code, stderr } = await runExample('beside', [], env, { cwd: folder }).ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('EADDRINUSE') });
  });
});
