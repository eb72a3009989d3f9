// The packed file works in a folder that has nothing else, as the document says: as a package to depend
// on, and as the program that copies, which leaves an app as it was if npm fails. npm is real; its
// registry is on this machine.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newVisitor, untilReady } from '../../src/development/local-authkit/test-visitor.ts';
import { editFiles, type Edits } from '../support/app/copy-package.ts';
import {
  npmEnvironment,
  openPackedWorld,
  shell,
  type Ended,
  type PackedWorld,
} from '../support/app/packed-package.ts';
import { freePort } from '../support/machine/free-port.ts';
import { codeBlocks, markdownFiles, readText, section } from '../support/reading/markdown.ts';

const copying = readText('docs/copying.md');
const text = section(copying, 'Depend on it instead');
const manifest = JSON.parse(readText('package.json')) as {
  name: string;
  version: string;
  private: boolean;
  exports: Record<string, unknown>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};
const imports = Object.keys(manifest.exports).map((path) => path.replace('.', 'authkit'));
const TSC = resolve('node_modules/typescript/bin/tsc');
// What `npx --no-install authkit-copy` starts, without the time that npx takes.
const COPY = 'node_modules/.bin/authkit-copy';

let world: PackedWorld;
beforeAll(async () => {
  world = await openPackedWorld();
});
afterAll(() => world.close());

const expectSuccess = ({ code, stdout, stderr }: Ended) => expect(code, stdout + stderr).toBe(0);
const inApp = (command: string, more = {}) => shell(command, world.app, { ...world.env, ...more });
const node = (args: string, more = {}) => inApp(`"${process.execPath}" ${args}`, more);

/** The README's host app, or that of the CommonJS section, with the package in place of its copies. */
function dependentApp(block: string, begin: string): string {
  const lines = block.split('\n').filter((line) => !/'\.\/(authkit\/)?(auth|store)\//.test(line));
  const at = lines.findLastIndex((line) => /^import |require\(/.test(line)) + 1;
  const [store = ''] = /const \{ store \} = await .*;/.exec(text) ?? [];
  return [...lines.slice(0, at), begin, ...lines.slice(at)]
    .join('\n')
    .replace("await openEmbeddedStore({ file: '.data/sessions.db' }), //", 'store, //')
    .replace(/const store = await openEmbeddedStore.*/, store);
}

const readmeApp = () =>
  dependentApp(
    codeBlocks(section(readText('README.md'), 'Copy this into your app'), 'ts')[0] ?? '',
    codeBlocks(text, 'ts')[0] ?? '',
  );
const commonJsApp = () =>
  dependentApp(
    codeBlocks(section(copying, 'CommonJS'), 'js')[0] ?? '',
    codeBlocks(text, 'js')[0] ?? '',
  );

describe('the packed file', () => {
  test('has no tests, no demo, no source maps and nothing that an earlier build left', async () => {
    const names = await readdir(join(world.app, 'node_modules/authkit'), { recursive: true });
    const unwanted =
      /\.(map|test\.ts)$|stale|^(src|dist)\/(demo|app|server|config|process)|doctor\//;
    expect(names.filter((name) => unwanted.test(name))).toEqual([]);
    expect(names).toContain('LICENSE');
  });

  test('has every import of the document, with types, for ES modules and CommonJS', async () => {
    expect(imports.filter((path) => !text.includes(`\`${path}\``))).toEqual([]);
    const lines = imports.map((path, index) => `import * as m${index} from '${path}';`);
    // A module without types would be `any`, and then no error is expected here.
    const typed = imports.map((_, index) => `// @ts-expect-error\nm${index}.nothing;`);
    const names = imports.map((_, index) => `names(m${index})`);
    const own = 'const names = (all: object) => Object.keys(all).filter(isOwn).toSorted();';
    // What the compiler adds in CommonJS.
    const isOwn = `const isOwn = (name: string) => !/^(default|__esModule|module.exports)$/.test(name);`;
    const source = [
      ...lines,
      ...typed,
      isOwn,
      own,
      `console.log(JSON.stringify([${names.join(', ')}]));`,
    ].join('\n');
    await writeFile(join(world.app, 'imports.mts'), source);
    await writeFile(join(world.app, 'imports.cts'), source);
    await writeFile(join(world.app, 'server.mts'), readmeApp());
    await writeFile(join(world.app, 'server.cjs'), commonJsApp());
    await writeFile(join(world.app, 'test.mts'), testOfTheStarters(await freePort()));
    const options = '--module nodenext --target es2023 --strict --skipLibCheck --types node';
    const files = 'imports.mts imports.cts server.mts test.mts';
    expect((await node(`"${TSC}" ${options} ${files}`)).stdout).toBe('');
    const [esm, commonJs] = [await node('imports.mjs'), await node('imports.cjs')];
    expect(JSON.parse(esm.stdout)).toHaveLength(imports.length);
    expect(esm.stdout).toContain('"createAuth"');
    expect(commonJs).toEqual(esm);
  });

  test.each(['server.mjs', 'server.cjs'])(
    'signs a user in at its local AuthKit (%s)',
    async (file) => {
      const ended = await node('--test --test-force-exit test.mjs', { SERVER: `./${file}` });
      expectSuccess(ended);
    },
  );
});

/** The sign-in test that new apps get, for an app that depends on the package. */
function testOfTheStarters(port: number): string {
  return readText('src/copy/starters/sign-in-test.ts')
    .replace(/'.*\/start\.ts'/, "'authkit/local-authkit'")
    .replace(/'.*\/test-visitor\.ts'/, "'authkit/local-authkit/test-visitor'")
    .replace("'./server.ts'", "process.env['SERVER'] ?? ''")
    .replace('3456', String(port));
}

describe('its program', () => {
  test('explains itself, and refuses wrong usage with 2', async () => {
    expect(await inApp('npx --no-install authkit-copy --help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Usage: authkit-copy'),
    });
    expect(await inApp(`${COPY} init ../none`)).toMatchObject({ code: 2 });
    expect(existsSync(join(world.root, 'none'))).toBe(false);
  });
});

const aboveHere = (found: string) => `// Here.\n${found}`;

const javascript = (express: string): Edits => ({
  'package.json': JSON.stringify({ dependencies: { express } }),
  'server.js': "const app = require('express')();\napp.listen(3000);\n",
});

describe('an app with a copy from the packed file', () => {
  const typescript: Edits = {
    'package.json': JSON.stringify({ type: 'module', dependencies: { express: '^5.0.0' } }),
    'tsconfig.json': '{ "compilerOptions": { "module": "nodenext" } }',
    'src/server.ts': "import express from 'express';\n\nexpress().listen(3000);\n",
  };

  let next: string;
  beforeAll(async () => {
    // Beside the package, whose dependencies it has too.
    next = join(world.app, 'node_modules/authkit-next');
    await cp(join(world.app, 'node_modules/authkit'), next, { recursive: true });
    editFiles(next, {
      'package.json': (found) =>
        found.replace(`"version": "${manifest.version}"`, '"version": "9.0.0"'),
      'src/auth/forms.ts': aboveHere,
      'dist/auth/forms.js': aboveHere,
    });
  });

  test.each<[string, Edits, string]>([
    ['of TypeScript', typescript, 'src/authkit/auth/forms.ts'],
    ['of CommonJS', javascript('^5.0.0'), 'authkit/auth/forms.js'],
    ['of Express 4', javascript('^4.18.0'), 'authkit/auth/forms.js'],
  ])('%s gets the next version, and keeps its changes', async (kind, files, copied) => {
    const app = join(world.root, `app ${kind}`);
    editFiles(app, files);
    expectSuccess(await inApp(`${COPY} init "${app}" --yes --no-install`));
    editFiles(app, { [copied]: (found) => `${found}// There.\n` });
    const update = `"${join(next, 'dist/copy/main.js')}" update "${app}" --yes --no-install`;
    expectSuccess(await node(update));
    expect(await readFile(join(app, copied), 'utf8')).toMatch(/^\/\/ Here\.\n[^]*\/\/ There\.\n$/);
    expect(await readFile(join(app, 'authkit-copy.json'), 'utf8')).toContain('"version": "9.0.0');
  });
});

test('its program makes a new app that passes its own test, starts and signs in', async () => {
  const made = await inApp(`${COPY} init ../new-app --yes`);
  expectSuccess(made);
  const newApp = join(world.root, 'new-app');
  const testFile = join(newApp, 'test/sign-in.test.ts');
  const own = await readFile(testFile, 'utf8');
  await writeFile(testFile, own.replace('3456', String(await freePort())));
  const tested = await shell('npm test', newApp, world.env);
  expectSuccess(tested);

  const url = `http://localhost:${await freePort()}`;
  const dev = spawn('npm', ['run', 'dev'], {
    cwd: newApp,
    env: { ...world.env, BASE_URL: url },
    stdio: 'ignore',
    detached: true,
  });
  const exited = once(dev, 'exit');
  try {
    await vi.waitFor(() => untilReady(url));
    const bruno = newVisitor(url);
    await bruno.signIn({ person: 'Bruno Okafor' });
    expect(await (await bruno.fetch('/profile')).text()).toContain('Bruno Okafor');
  } finally {
    if (dev.pid !== undefined) process.kill(-dev.pid, 'SIGTERM');
    await exited;
  }
});

let caches = 0;
/** npm without what it downloaded before. */
const withEmptyCache = (url: string) =>
  npmEnvironment(url, join(world.root, `npm-${(caches += 1)}`));

describe('a failed npm install', () => {
  let existing: string;
  beforeAll(async () => {
    existing = join(world.root, 'existing');
    await mkdir(existing);
    // A package without others, since npm has to be real, and not slow.
    const own = { dependencies: { cookie: '^1.0.0' } };
    await writeFile(join(existing, 'package.json'), JSON.stringify(own));
    await writeFile(join(existing, 'server.js'), "require('express')().listen(0);\n");
    expectSuccess(await shell('npm install', existing, world.env));
  });

  test.each([
    ['an app', '../existing', 'no package can be downloaded', undefined],
    ['no folder', '../missing/app', 'nothing is reachable', 'http://127.0.0.1:9'],
  ])('leaves %s (%s) as it was: %s', async (_kind, path, _reason, url) => {
    world.registry.tarballs = 'refuse';
    const before = await contentOf(existing);
    const env = withEmptyCache(url ?? world.registry.url);
    const ended = await shell(`${COPY} init ${path} --bearer --yes`, world.app, env);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('as it was before') });
    expect(await contentOf(existing)).toEqual(before);
    expect(existsSync(join(world.root, 'missing'))).toBe(false);
  });

  test.each(['existing', 'missing'])('is undone when interrupted twice (%s)', async (name) => {
    world.registry.tarballs = 'hold';
    const before = name === 'existing' ? await contentOf(existing) : undefined;
    const { requested } = world.registry;
    const program = join(world.app, 'node_modules/authkit/dist/copy/main.js');
    const args = ['init', join(world.root, name), '--bearer', '--yes'];
    const child = spawn(process.execPath, [program, ...args], {
      env: withEmptyCache(world.registry.url),
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    await vi.waitUntil(() => world.registry.requested > requested);
    // npm passes Ctrl-C on to what it runs, which the terminal has told already.
    child.kill('SIGINT');
    child.kill('SIGINT');
    world.registry.release();
    expect(await exited).toEqual([2, null]);
    if (before) expect(await contentOf(existing)).toEqual(before);
    else expect(existsSync(join(world.root, name))).toBe(false);
  });
});

/** What is in a folder: each path, with a hash of the file or the target of the link. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) return [path, readlinkSync(path)];
    if (entry.isDirectory()) return [path, ''];
    return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
  });
  return Object.fromEntries(found);
}

describe('the name of the package', () => {
  test('is scoped, private and in no document', () => {
    expect(manifest.private).toBe(true);
    expect(manifest.name).toMatch(/^@[\w-]+\/[\w-]+$/);
    const [scope = ''] = manifest.name.split('/');
    expect(markdownFiles().filter((file) => readText(file).includes(scope))).toEqual([]);
  });

  test('of its program is typed only where npm may not look it up in a registry', () => {
    const commands = markdownFiles().flatMap((file) => [
      ...readText(file).matchAll(/(npx|npm exec|npm install|npm i) [^\n`]*authkit-copy/g),
    ]);
    expect(commands.length).toBeGreaterThan(0);
    expect(commands.filter(([command]) => !command.startsWith('npx --no-install '))).toEqual([]);
  });

  test('has the tested version of its peer', () => {
    for (const [name, range] of Object.entries(manifest.peerDependencies)) {
      expect(manifest.devDependencies[name]).toBe(range);
    }
  });
});
