// A copy with Redis or PostgreSQL in place of the README's session file, as docs/copying.md describes:
// without the files and the packages of the other engines.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import {
  compileHost,
  copyFolders,
  installPackages,
  linkPackage,
} from '../support/app/copied-app.ts';
import { availableEngines } from '../support/machine/with-parts.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';
import { startCopy } from '../support/app/running-copy.ts';
import { startEngine } from '../support/store/engines.ts';

const readme = section(readText('README.md'), 'Copy this into your app');
const [block = ''] = codeBlocks(readme, 'ts');
const advice = section(readText('docs/copying.md'), 'Another engine of the store').trim();

describe.each(['Redis', 'PostgreSQL'] as const)('a copy with %s alone', (engine) => {
  let app: string;
  let authKit: LocalAuthKit;
  let url: string;
  const canStart = availableEngines().includes(engine);
  beforeAll(async () => {
    app = await mkdtemp(join(tmpdir(), 'copy-engine-'));
    url = `http://localhost:${await freePort()}`;
    authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  });
  afterAll(async () => {
    await authKit.close();
    await rm(app, { recursive: true, force: true });
  });

  /** The README's host app for this engine, whose URL it gets. */
  async function copyFor(storeUrl: string): Promise<string> {
    const paragraph = advice.split('\n\n').find((text) => text.startsWith(`${engine}: `)) ?? '';
    const codes = inlineCode(paragraph);
    const [remove = ''] = codes;
    const instead = readme.replace(/^rm .*/m, remove).replace(/ libsql@\S+/, '');
    await copyFolders(instead, '.', app);
    await installPackages(instead, app);
    const packages = codes.filter((code) => /@\d+$/.test(code));
    for (const name of packages) await linkPackage(name.replace(/@\d+$/, ''), app);
    const open = codes.find((code) => code.includes('(')) ?? '';
    const files = codes.filter((code) => /^src\/store\/\S+\.ts$/.test(code));
    const names = [...open.matchAll(/\b(\w+)\(/g)].map(([, called = '']) => called);
    const imports = names
      .map((called, index) => `import { ${called} } from '${files[index]?.replace('src', '.')}';`)
      .join('\n');
    return block
      .replace("import { openEmbeddedStore } from './store/embedded/store.ts';", imports)
      .replace(/await openEmbeddedStore\(.*\)/, open.replace('(url)', `('${storeUrl}')`));
  }

  async function expectSignIn(): Promise<void> {
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
  }

  test(`compiles${canStart ? ', starts and signs in' : ''}`, { timeout: 120_000 }, async () => {
    const server = canStart ? await startEngine(engine) : undefined;
    try {
      const { redisUrl = '', databaseUrl = redisUrl } = server?.options ?? {};
      const host = await copyFor(databaseUrl);
      expect(host).not.toContain('openEmbeddedStore');
      const folders = (await readdir(join(app, 'src/store'))).filter((name) => !name.includes('.'));
      expect(folders).toHaveLength(engine === 'Redis' ? 2 : 1);
      const [ownClient = ''] = codeBlocks(advice, 'ts');
      if (engine === 'Redis') await writeFile(join(app, 'src/own-client.ts'), ownClient);
      expect(await compileHost(host, app)).toBe('');
      if (canStart) await expectSignIn();
    } finally {
      await server?.close();
    }
  });
});
