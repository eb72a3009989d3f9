// A copy of src/events in the README's app, as docs/events.md says: AuthKit's webhooks end its
// sessions, and so do logout tokens.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { signInAt, until } from '../support/app/instances.ts';
import { startCopy, type RunningCopy } from '../support/app/running-copy.ts';
import { newEvent, send } from '../support/app/webhooks.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';

const readme = section(readText('README.md'), 'Copy this into your app');
const page = section(readText('docs/events.md'), 'Copy it into your app');
const api = section(readText('docs/api.md'), 'Copy it into your app');
const [webhooks = '', withJose = '', withBearer = ''] = codeBlocks(page, 'ts');
let folder: string;
let authKit: LocalAuthKit;
let url: string;
let copy: RunningCopy;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-events-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({
    redirectUris: [`${url}/callback`],
    webhookUrl: `${url}/webhooks/authkit`,
    backchannelLogoutUri: `${url}/backchannel-logout`,
  });
  for (const text of [readme, page, api]) await copyFolders(text, '.', folder);
  await installPackages(readme, folder);
  const both = webhooks.replace('webhooks, auth.', 'webhooks, backchannel, auth.');
  await writeFile(join(folder, 'src/with-jose.ts'), hostWith(withJose + both));
  await writeFile(join(folder, 'src/with-bearer.ts'), hostWith(withBearer + both));
  const host = hostWith(webhooks);
  expect(await compileHost(host, folder, { lib: ['es2023', 'dom'], noEmit: true })).toBe('');
  expect(await compileHost(host, folder)).toBe('');
});
afterEach(() => copy.stop());
afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

/** The README's app with a named store, and with this code in place of the line of `app`. */
function hostWith(code: string): string {
  const [host = ''] = codeBlocks(readme, 'ts');
  const [store = '', records = ''] = ['const store', 'records:'].map((beginning) =>
    inlineCode(page).find((line) => line.startsWith(beginning)),
  );
  return host
    .replace(/^const auth = /m, (line) => `${store}\n${line}`)
    .replace(/^ {2}records: .*$/m, `  ${records}`)
    .replace(/^const app = .*$/m, () => code);
}

async function start(file: string): Promise<void> {
  copy = await startCopy(folder, `dist/${file}`, url, authKit);
}

const isSignedIn = async (browser: Browser) =>
  (await browser.fetch(`${url}/profile`)).status === 200;

describe('a strict TypeScript app', () => {
  test('ends the sessions of a user whom AuthKit deletes, and takes no forged webhook', async () => {
    await start('server.js');
    const sub = authKit.people.find(({ givenName }) => givenName === 'Bruno')?.sub ?? '';
    const browser = await signInAt(url);
    const forged = await send(url, newEvent('user.deleted', { id: sub }));
    expect([forged.status, await isSignedIn(browser)]).toEqual([401, true]);
    authKit.control.deletePerson({ sub });
    await until(async () => !(await isSignedIn(browser)));
    authKit.control.restorePeople();
  });

  test.each([
    ['jose', 'with-jose.js'],
    ['a copy of src/bearer', 'with-bearer.js'],
  ])('ends a session that ends at an issuer with back-channel logout, with %s', async (_, file) => {
    await start(file);
    const [browser, elsewhere] = [await signInAt(url), await signInAt(url)];
    await browser.open(`${authKit.issuer}/oauth2/sign-out`);
    await browser.press('Sign out');
    expect([await isSignedIn(browser), await isSignedIn(elsewhere)]).toEqual([false, true]);
  });
});
