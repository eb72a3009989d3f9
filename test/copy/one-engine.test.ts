// A copy with one store engine, as docs/copying.md describes: without the files and the package of
// the other engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startLocalAuthKit, type LocalAuthKit } from '../../src/development/local-authkit/start.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import {
  compileHost,
  copyFolders,
  installPackages,
  removeFrom,
} from '../support/app/copied-app.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';
import { startCopy } from '../support/app/running-copy.ts';

const readme = section(readText('README.md'), 'Copy this into your app');
const [block = ''] = codeBlocks(readme, 'ts');
const advice = section(readText('docs/copying.md'), 'One engine of the store').trim();
const [embedded = '', redis = ''] = advice.split('\n\n');
let folder: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-engines-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startLocalAuthKit({ port: 0, redirectUris: [`${url}/callback`] });
});
afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

/** A copy without the files that this paragraph leaves out, and the README's host app for it. */
async function copyOf(paragraph: string, name: string): Promise<{ app: string; host: string }> {
  const app = join(folder, name);
  await copyFolders(readme, '.', app);
  const codes = inlineCode(paragraph);
  await removeFrom(app, codes);
  const leftOut = /the package `(\w+)`/.exec(paragraph)?.[1] ?? '';
  await installPackages(readme.replaceAll(new RegExp(` ${leftOut}@\\S+`, 'g'), ''), app);
  const open = codes.find((code) => code.includes('(')) ?? '';
  const files = codes.filter((code) => /^src\/store\/\S+\.ts$/.test(code));
  const names = [...open.matchAll(/\b(\w+)\(/g)].map(([, called = '']) => called);
  const imports = names
    .map((called, index) => `import { ${called} } from '${files[index]?.replace('src', '.')}';`)
    .join('\n');
  const host = block
    .replace("import { openStore } from './store/index.ts';", imports)
    .replace(/records: \(await openStore\(.*\)\)\.store,/, `records: await ${open},`)
    .replace('connectRedis(url)', "connectRedis(env('REDIS_URL'))");
  expect(names.length).toBe(files.length);
  expect(host).not.toContain('openStore');
  return { app, host };
}

test(
  'a copy with the embedded engine alone compiles, starts and signs in',
  { timeout: 120_000 },
  async () => {
    const { app, host } = await copyOf(embedded, 'embedded');
    expect(await compileHost(host, app)).toBe('');
    const copy = await startCopy(app, 'dist/server.js', url, authKit);
    try {
      const browser = new Browser();
      await browser.open(`${url}/profile`);
      const profile = await browser.follow(await browser.press('Bruno'));
      const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
      expect(profile.body).toContain(bruno?.sub);
    } finally {
      await copy.stop();
    }
  },
);

test('a copy with Redis alone compiles', { timeout: 120_000 }, async () => {
  const { app, host } = await copyOf(redis, 'redis');
  expect(await compileHost(host, app, { noEmit: true })).toBe('');
});
