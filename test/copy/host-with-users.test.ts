// A copy in a host app that had users before: its own `Express.User`, express-session, store and
// passport login stay unchanged, and one copied file is left out.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import {
  compileHost,
  copyFolders,
  installPackages,
  removeFrom,
} from '../support/app/copied-app.ts';
import { inlineCode, readText, section } from '../support/reading/markdown.ts';
import { startCopy } from '../support/app/running-copy.ts';

const readme = section(readText('README.md'), 'Copy this into your app');
const beside = section(readText('docs/copying.md'), 'Beside a session and a login of your own');
let folder: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-host-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  await copyFolders(readme, '.', folder);
  await installPackages(readme, folder);
  await removeFrom(folder, inlineCode(beside));
});
afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

/** The host app of test/fixtures as a server with the settings of a copy. */
async function hostAsServer(): Promise<string> {
  const host = await readFile('test/fixtures/host/host.ts', 'utf8');
  return `${host.replaceAll("'../../../src/", "'./")}
const { env } = process;
const order = process.argv[2] === 'before' ? 'before' : 'behind';
const { app } = await createHost({
  issuer: new URL(env['AUTHKIT_ISSUER'] ?? ''),
  clientId: env['OAUTH_APP_CLIENT_ID'] ?? '',
  clientSecret: env['OAUTH_APP_CLIENT_SECRET'] ?? '',
  baseUrl: new URL(env['BASE_URL'] ?? ''),
  sessionSecret: env['SESSION_SECRET'] ?? '',
  file: '.data/sessions.db',
  order,
});
app.listen(env['PORT']);
`;
}

test('the host app compiles with every strict flag', { timeout: 120_000 }, async () => {
  expect(await compileHost(await hostAsServer(), folder)).toBe('');
});

test.each(['before', 'behind'])(
  'sign-in mounted %s the host’s own session and login leaves both unchanged',
  { timeout: 60_000 },
  async (order) => {
    const copy = await startCopy(folder, 'dist/server.js', url, authKit, [order]);
    try {
      const browser = new Browser();
      const post = (path: string) => browser.fetch(url + path, { method: 'POST' });
      const state = async () => JSON.parse((await browser.fetch(`${url}/state`)).body) as object;
      await post('/own/login?id=8');
      await post('/cart');
      const before = await state();
      expect(before).toMatchObject({ local: { id: 8, role: 'reader' }, authKit: null });
      expect((await browser.fetch(`${url}/profile`)).status).toBe(401);

      await browser.open(`${url}/profile`);
      const profile = await browser.follow(await browser.press('Bruno'));
      const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
      expect(profile.body).toContain(`${bruno?.sub} {"id":8,"role":"reader"}`);
      expect(await state()).toEqual({ ...before, authKit: 'Bruno Okafor' });

      const signedOut = await browser.follow(await browser.press('Sign out'));
      expect(signedOut.url.pathname).toBe('/signed-out');
      expect(await state()).toEqual(before);
    } finally {
      await copy.stop();
    }
  },
);
