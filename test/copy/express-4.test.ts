// The Express 4 recipe of docs/copying.md, before the CommonJS host app of the same page, with the
// real Express 4: a rejected guard or handler gets a response, and the process survives.
import { mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { copyForCommonJs } from '../support/app/copied-app.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';
import { spawnCopy, startCopy } from '../support/app/running-copy.ts';

const page = readText('docs/copying.md');
const commonJs = section(page, 'CommonJS');
const recipe = section(page, 'Express 4');
const [host = ''] = codeBlocks(commonJs, 'js');
let folder: string;
let app: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'express-4-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  app = await copyForCommonJs(commonJs, folder);
  await unlink(join(app, 'node_modules/express'));
  await symlink(resolve('node_modules/express4'), join(app, 'node_modules/express'));
}, 120_000);

afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

test('the recipe names the Express version that these tests use', () => {
  const { devDependencies } = JSON.parse(readText('package.json')) as {
    devDependencies: Record<string, string>;
  };
  const [, major] = /^npm:express@\^(\d+)/.exec(devDependencies['express4'] ?? '') ?? [];
  expect(inlineCode(recipe)).toContain(`express@${major}`);
  expect(readText('node_modules/express4/package.json')).toMatch(`"version": "${major}.`);
});

test('without the recipe the first rejection ends the process', { timeout: 60_000 }, async () => {
  await writeFile(join(app, 'bare.js'), host);
  const copy = spawnCopy(app, 'bare.js', url, authKit);
  const browser = new Browser();
  await vi.waitUntil(
    async () => {
      await browser.get(`${url}/callback?code=x&state=y`).catch(() => undefined);
      return copy.process.exitCode !== null;
    },
    { timeout: 25_000 },
  );
  expect(copy.process.exitCode).toBe(1);
  expect(copy.stderr()).toContain('SignInError');
});

test(
  'with the recipe users sign in and out, and failures give pages',
  { timeout: 60_000 },
  async () => {
    const [patch = ''] = codeBlocks(recipe, 'js');
    await writeFile(join(app, 'server.js'), `${patch}\n${host}`);
    const copy = await startCopy(app, 'server.js', url, authKit);
    try {
      const browser = new Browser();
      await browser.open(`${url}/profile`);
      const profile = await browser.follow(await browser.press('Bruno'));
      const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
      expect(profile.body).toContain(bruno?.sub);
      expect((await browser.get(`${url}/callback?code=x&state=y`)).status).toBe(303);
      const stranger = new Browser();
      expect((await stranger.get(`${url}/callback?code=x&state=y`)).status).toBe(400);

      const sessions = new Database(join(app, '.data/sessions.db'));
      sessions.exec('ALTER TABLE sessions RENAME TO away');
      expect((await browser.get(`${url}/profile`)).status).toBe(503);
      expect((await browser.get(url)).status).toBe(200);
      sessions.exec('ALTER TABLE away RENAME TO sessions');
      sessions.close();
      expect((await browser.open(`${url}/profile`)).body).toContain(bruno?.sub);

      const signedOut = await browser.follow(await browser.press('Sign out'));
      expect(signedOut.url.pathname).toBe('/signed-out');
      expect((await browser.fetch(`${url}/profile`)).status).toBe(401);
      expect(copy.process.exitCode, copy.stderr()).toBeNull();
    } finally {
      await copy.stop();
    }
  },
);
