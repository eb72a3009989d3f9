// The command-line example, run as a process, with users who sign in with a real browser.

import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import { call, newApp, serve } from '../support/app/bearer-app.ts';
import { launchChromium, newPage } from '../support/browser/chromium.ts';
import { runExample, startWorld } from '../support/app/examples.ts';
import type { World } from '../support/app/examples.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, test } = withParts('Chromium');

let browser: Browser;
let world: World;
let page: Page;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());
beforeEach(async () => {
  world = await startWorld();
  page = await newPage(browser);
});
afterEach(async () => {
  await page.context().close();
  await world.close();
});

const run = (...args: string[]) => runExample('cli', args, { ...world.env, BROWSER: 'true' });
const tokenFile = () => join(world.folder, '.config/authkit-cli/tokens.json');
const stored = async () => JSON.parse(await readFile(tokenFile(), 'utf8'));

/** Signs in as this person in the browser; resolves to the final output of the terminal. */
async function login(person: string, organization?: string) {
  const cli = run('login');
  const [, url = ''] = await cli.saw(/^ {2}(http\S+)$/m);
  await page.goto(url);
  await choose(person, organization);
  await page.getByText('You are signed in').waitFor();
  return cli.ended;
}

async function choose(person: string, organization?: string) {
  await page.getByRole('button', { name: person }).click();
  if (organization !== undefined) await page.getByRole('button', { name: organization }).click();
}

describe('login with the browser', () => {
  test('keeps the tokens in a file that only its owner can read, and off the terminal', async () => {
    const { code, stdout, stderr } = await login('Ada Lindqvist');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/Signed in as Ada Lindqvist\.\n$/);
    const { accessToken, refreshToken } = await stored();
    expect(stdout).not.toContain(accessToken.split('.')[2]);
    expect(stdout).not.toContain(refreshToken);
    expect((await stat(tokenFile())).mode & 0o777).toBe(0o600);
    expect((await stat(join(tokenFile(), '..'))).mode & 0o777).toBe(0o700);
  });

  test('uses PKCE and listens on 127.0.0.1 only', async () => {
    const cli = run('login');
    const [, address = ''] = await cli.saw(/^ {2}(http\S+)$/m);
    const query = new URL(address).searchParams;
    expect(query.get('code_challenge_method')).toBe('S256');
    const redirect = new URL(query.get('redirect_uri') ?? '');
    expect(redirect.hostname).toBe('127.0.0.1');
    // A request without the right state must not end the sign-in.
    const forged = `${redirect.origin}/callback?code=x&state=guess`;
    for (const url of [
      forged,
      `${redirect.origin}/callback?error=access_denied`,
      `${redirect.origin}//`,
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await call(url)).status).toBe(404);
    }
    await page.goto(address);
    await choose('Ada Lindqvist');
    expect((await cli.ended).code).toBe(0);
  });

  test('shows a refusal by AuthKit in the browser and on the terminal', async () => {
    const cli = run('login');
    const [, address = ''] = await cli.saw(/^ {2}(http\S+)$/m);
    const query = new URL(address).searchParams;
    await page.goto(`${query.get('redirect_uri')}?error=access_denied&state=${query.get('state')}`);
    await page.getByText('Sign-in failed').waitFor();
    const { code, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: 'You denied access; you are not signed in.\n',
    });
  });
});

describe('login --device', () => {
  test('waits until the code is confirmed in any browser', async () => {
    const cli = run('login', '--device');
    const [, userCode = ''] = await cli.saw(/enter the code {4}(\S+)/);
    const [, url = ''] = await cli.saw(/open {3,}(http\S+)/);
    await page.goto(url);
    await page.getByLabel('Code').fill(userCode);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await choose('Bruno Okafor');
    await page.getByText('Device connected').waitFor();
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/Waiting for you, at most 5 minutes[^]*Signed in as Bruno Okafor\.\n$/);
    expect((await run('whoami').ended).stdout).toContain('Organization  org_');
  });

  test('ends when the user denies that the device is theirs', async () => {
    const cli = run('login', '--device');
    const [, url = ''] = await cli.saw(/or open directly {6}(http\S+)/);
    await page.goto(url);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'This is not mine' }).click();
    await page.getByText('Device not connected').waitFor();
    const { code, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: 'You denied access; you are not signed in.\n',
    });
  });

  test('ends when the code expires', async () => {
    const cli = run('login', '--device');
    await cli.saw(/Waiting for you/);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 301_000 });
    const { code, stderr } = await cli.ended;
    vi.useRealTimers();
    expect({ code, stderr }).toEqual({ code: 4, stderr: 'The code has expired. Start again.\n' });
  });
});

describe('whoami', () => {
  test('shows what the API knows about the user', async () => {
    await login('Chiara Fontana', 'Blue Kiln Studio');
    const { code, stdout } = await run('whoami').ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Signed in as {2}Chiara Fontana\nSubject {7}user_\S+\nOrganization {2}org_/,
    );
    const caller = JSON.parse((await run('whoami', '--json').ended).stdout);
    expect(caller).toMatchObject({ machine: false, client_id: world.env['CLI_CLIENT_ID'] });
  });

  test('refreshes an expiring token, once for five simultaneous runs', async () => {
    world.authkit.control.setAccessTokenSeconds({ seconds: 20 });
    await login('Ada Lindqvist');
    world.authkit.control.setAccessTokenSeconds({ seconds: 300 });
    const before = world.authkit.control.requests().token;
    const runs = await Promise.all(Array.from({ length: 5 }, () => run('whoami').ended));
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(world.authkit.control.requests().token - before).toBe(1);
    expect((await stat(tokenFile())).mode & 0o777).toBe(0o600);
  });

  test('reports an API that sends something else', async () => {
    await login('Ada Lindqvist');
    const api = await serve(newApp().use((_req, res) => void res.send('<h1>Portal</h1>')));
    const env = { ...world.env, API_URL: api.url };
    const { code, stderr } = await runExample('cli', ['whoami'], env).ended;
    await api.close();
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'The API sent an unexpected response.\n' });
  });

  test('refreshes when the API refuses a token that looks valid', async () => {
    await login('Ada Lindqvist');
    const tokens = await stored();
    const changed = `${tokens.accessToken.slice(0, -4)}AAAA`;
    await writeFile(tokenFile(), JSON.stringify({ ...tokens, accessToken: changed }));
    expect((await run('whoami').ended).code).toBe(0);
  });

  test('asks to sign in again after a revocation, but keeps the tokens during an outage of AuthKit', async () => {
    world.authkit.control.setAccessTokenSeconds({ seconds: 20 });
    await login('Ada Lindqvist');
    world.authkit.control.fault({ endpoint: 'token', kind: 'status', requests: 1 });
    const away = await run('whoami').ended;
    expect(away.code).toBe(1);
    expect(await stored()).toMatchObject({ name: 'Ada Lindqvist' });
    const [ada] = world.authkit.people;
    world.authkit.control.revokeTokens({ sub: ada?.sub ?? '' });
    const { code, stderr } = await run('whoami').ended;
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: 'Your sign-in has ended: run login again.\n',
    });
    await expect(stored()).rejects.toThrow('ENOENT');
  });

  test('reports a missing sign-in, also when the file is damaged or for another issuer', async () => {
    const none = { code: 3, stdout: '', stderr: 'Not signed in: run login first.\n' };
    expect(await run('whoami').ended).toEqual(none);
    await login('Ada Lindqvist');
    const tokens = await stored();
    await writeFile(tokenFile(), JSON.stringify({ ...tokens, issuer: 'https://other.example/' }));
    expect(await run('whoami').ended).toEqual(none);
    await writeFile(tokenFile(), JSON.stringify(tokens).slice(0, 40));
    expect(await run('whoami').ended).toEqual(none);
  });
});

describe('logout', () => {
  test('deletes the tokens and revokes them if AuthKit offers it', async () => {
    await login('Ada Lindqvist');
    const before = world.authkit.control.requests().revocation;
    const { code, stdout } = await run('logout').ended;
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'Signed out, and tokens revoked at AuthKit.\n',
    });
    expect(world.authkit.control.requests().revocation - before).toBe(1);
    await expect(stored()).rejects.toThrow('ENOENT');
    expect((await run('whoami').ended).code).toBe(3);
    expect((await run('logout').ended).stdout).toBe('You were not signed in.\n');
  });

  test('reports that AuthKit offers no revocation', async () => {
    await world.close();
    world = await startWorld({ revocation: false });
    await login('Ada Lindqvist');
    const { code, stdout } = await run('logout').ended;
    expect(code).toBe(0);
    expect(stdout).toContain('AuthKit offers no revocation');
    await expect(stored()).rejects.toThrow('ENOENT');
  });
});

test('help goes to stdout, an error to stderr in one line, each with its exit code', async () => {
  const [help, wrong, away] = await Promise.all([
    run('login', '--help').ended,
    run('dance').ended,
    run('login', '--issuer', 'http://127.0.0.1:9').ended,
  ]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('login --device');
  expect(wrong).toEqual({ code: 2, stdout: '', stderr: 'Unknown command: dance. Try --help.\n' });
  expect(away).toEqual({
    code: 1,
    stdout: '',
    stderr: 'AuthKit could not be reached. If HTTPS_PROXY is set, check that proxy.\n',
  });
});
