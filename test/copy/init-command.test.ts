// `init` as people type it: what it prints, how it ends, and that the app is untouched wherever it
// refuses, fails or is interrupted.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Folder } from '../../src/copy/shipped.ts';
import {
  copyCommand,
  initApp,
  runCopy,
  treeOf,
  writeFiles,
  type Chosen,
} from '../support/app/copy-command.ts';

const run = promisify(execFile);

let folder: string;
let app: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-command-'));
});
beforeEach(async () => {
  app = join(folder, String((count += 1)), 'my app');
  await writeFiles(app, {
    'package.json': '{\r\n\t"scripts": { "dev": "x", "start": "y" }\r\n}\r\n',
    'tsconfig.json': '{\n  "compilerOptions": {\n    "strict": true // yes\n  }\n}',
    '.gitignore': '',
    'src/server.ts': "import express from 'express';\nconst app = express();\n",
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The copy is refused with this error code, and changes nothing. */
async function expectRefused(code: string, chosen: Chosen = {}): Promise<void> {
  const before = await treeOf(dirname(app));
  await expect(initApp(app, chosen)).rejects.toMatchObject({ code, message: /./ });
  expect(await treeOf(dirname(app))).toEqual(before);
}

describe('without a terminal', () => {
  test('the command refuses to write unless --yes says so', async () => {
    const before = await treeOf(app);
    const asJson = await runCopy(['init', app, '--json']);
    expect([asJson.code, asJson.stderr]).toEqual([2, '']);
    expect(JSON.parse(asJson.stdout)).toEqual({
      error: 'usage',
      message: expect.stringContaining('Add --yes') as string,
    });
    const { code, stdout, stderr } = await runCopy(['init', app]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Nothing was changed.')]);
    expect(stdout).toContain('src/authkit');
    expect(await treeOf(app)).toEqual(before);
  });

  test('it prints what it does and what is left, without colors', async () => {
    const { code, stdout } = await runCopy([
      'init',
      app,
      '--yes',
      '--no-install',
      '--local-authkit',
      '--auth',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('(TypeScript, CommonJS, Express 5, npm)');
    expect(stdout).toMatch(
      /auth, store to src\/authkit; the local AuthKit to local-authkit \(\d+ files/,
    );
    expect(stdout).toContain('in tsconfig.json, module: "nodenext"');
    expect(stdout).toContain('Add to src/server.ts:');
    expect(stdout).toContain('node local-authkit/main.js -- npm run dev');
    expect(stdout).toContain('node --env-file=.env');
    expect(stdout).not.toContain('\u001B');
  });

  test('a second time there is nothing to do', async () => {
    await runCopy(['init', app, '--yes', '--no-install']);
    const before = await treeOf(app);
    const { code, stdout } = await runCopy(['init', app]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('Nothing to do')]);
    const again = await runCopy(['init', app, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ written: false });
    expect(await treeOf(app)).toEqual(before);
  });
});

describe('the command that starts the app', () => {
  test.each([
    ['npm run dev', { dev: 'x', start: 'y' }],
    ['npm start', { start: 'y' }],
    ['node server.js', {}],
  ])('is %s', async (command, scripts) => {
    await rm(app, { recursive: true });
    await writeFiles(app, {
      'package.json': JSON.stringify({ scripts }),
      'server.js': "const app = require('express')();\napp.post('/login');",
    });
    const { said } = await initApp(app);
    expect(said).toContain(`main.js --redirect-path /authkit/callback -- ${command}\n`);
  });
});

describe('--dry-run', () => {
  test('changes nothing, and its diff gives the same files to git apply', async () => {
    const before = await treeOf(app);
    const args = ['init', app, '--auth', '--bearer', '--dry-run'];
    const { code, stdout } = await runCopy(args);
    expect(code).toBe(0);
    expect(await treeOf(app)).toEqual(before);
    const folders: Folder[] = ['auth', 'bearer'];
    const { diff, written, created, changed } = await initApp(app, { folders, dryRun: true });
    expect([written, await treeOf(app)]).toEqual([false, before]);
    expect(stdout).toContain(diff);

    const other = `${app} applied`;
    await run('cp', ['-r', app, other]);
    await run('git', ['init', '-q', other]);
    await writeFile(`${app}.patch`, stdout);
    await run('git', ['apply', `${app}.patch`], { cwd: other });
    await initApp(app, { folders });
    const own = created.filter((path) => !/\/(auth|bearer|store)\/|authkit-copy/.test(path));
    expect(own.length).toBeGreaterThan(3);
    expect(changed).toEqual(['package.json', 'tsconfig.json', '.gitignore']);
    for (const path of [...own, ...changed])
      expect(await readFile(join(other, path), 'utf8'), path).toBe(
        await readFile(join(app, path), 'utf8'),
      );
  });
});

describe('the folder of the app', () => {
  test('is meant from where the user is, not from where npm runs', async () => {
    const args = ['init', './my app', '--yes', '--no-install', '--json'];
    const { stdout } = await runCopy(args, { cwd: tmpdir(), env: { INIT_CWD: dirname(app) } });
    expect(JSON.parse(stdout)).toMatchObject({ app, written: true });
    const there = await runCopy([...args.with(1, 'my app'), '--bearer'], { cwd: dirname(app) });
    expect(JSON.parse(there.stdout)).toMatchObject({ app, written: true });
  });

  test('may be in a git work tree, in which it is then all that is new', async () => {
    await run('git', ['init', '-q', app]);
    await initApp(app);
    const { stdout } = await run('git', ['status', '--porcelain', '-uall'], { cwd: app });
    expect(stdout).toContain('?? authkit-copy.json');
    expect(stdout).not.toContain('before-authkit-copy');
  });
});

describe('a refusal', () => {
  test.each([
    ['not_an_app', { 'app.js': '' }],
    ['app_unsuitable', { 'package.json': '{ "dependencies": { "jose": "^4.0.0" } }' }],
    ['file_exists', { 'package.json': '{}', 'authkit/setup.js': 'own' }],
    ['record_invalid', { 'package.json': '{}', 'authkit-copy.json': '{}' }],
  ])('%s leaves the app as it was', async (code, files) => {
    await rm(app, { recursive: true });
    await writeFiles(app, files);
    await expectRefused(code);
  });

  test('already_copied leaves the app as it was', async () => {
    await initApp(app);
    await expectRefused('already_copied', { engine: 'redis' });
  });

  test('file_exists leaves what a link leads to as it was', async () => {
    const outside = `${app} outside`;
    await writeFiles(outside, { own: '' });
    await symlink(outside, join(app, 'src/authkit'));
    await expectRefused('file_exists');
  });

  test.each([[[]], [['--store', 'memory']], [['--unknown']], [['two']]])(
    'of the arguments %j ends with 2 and says how to use it',
    async (args) => {
      const missing = args.length === 0 ? [] : [app];
      const { code, stderr } = await runCopy(['init', ...missing, ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining('--help lists')]);
    },
  );

  test('--help ends with 0', async () => {
    const { code, stdout } = await runCopy(['init', '--help']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('--local-authkit')]);
  });
});

/** A package manager that does this; node is beside it. */
async function npmThat(script: string): Promise<string> {
  const bin = join(folder, `bin-${count}`);
  await writeFiles(bin, { npm: `#!/bin/sh\n${script}\n` });
  await chmod(join(bin, 'npm'), 0o755);
  return `${bin}:${process.env['PATH']}`;
}

describe('a failure half-way', () => {
  test('of the package manager leaves the app as it was, and shows its last lines', async () => {
    await writeFiles(app, { 'package-lock.json': '{ "own": 1 }' });
    const before = await treeOf(app);
    const PATH = await npmThat(
      'echo broken > package-lock.json; mkdir node_modules; echo E404; exit 1',
    );
    const { code, stderr } = await runCopy(['init', app, '--yes'], { env: { PATH } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('E404')]);
    expect(await treeOf(app)).toEqual(before);
    const { stdout } = await runCopy(['init', app, '--yes', '--json'], { env: { PATH } });
    expect(JSON.parse(stdout)).toMatchObject({ error: 'install_failed' });
  });

  test('of writing, with files as large as a full disk allows, leaves the app as it was', async () => {
    const before = await treeOf(app);
    const command = [
      process.execPath,
      copyCommand(),
      'init',
      app,
      '--yes',
      '--no-install',
      '--json',
    ];
    const limited = ['-c', 'ulimit -f 12; exec "$@"', 'sh', ...command];
    const { stdout } = await run('sh', limited).catch((error: { stdout: string }) => error);
    expect(JSON.parse(stdout)).toMatchObject({ error: 'write_failed' });
    expect(await treeOf(app)).toEqual(before);
  });

  // Root may write everywhere, so this runs as nobody.
  test.skipIf(process.getuid?.() !== 0)(
    'of a user who may not write or read there leaves the app as it was',
    async () => {
      await chmod(folder, 0o755);
      const before = await treeOf(app);
      const args = ['init', app, '--yes', '--no-install', '--json'];
      const written = await runCopy(args, { uid: 65534 });
      expect(JSON.parse(written.stdout)).toMatchObject({ error: 'write_failed' });
      expect(await treeOf(app)).toEqual(before);
      await chmod(join(app, 'package.json'), 0o600);
      const read = await runCopy(args, { uid: 65534 });
      expect(JSON.parse(read.stdout)).toMatchObject({
        error: 'not_an_app',
        message: expect.stringContaining('package.json cannot be read (EACCES)') as string,
      });
      const missing = await runCopy(args.with(1, join(folder, 'not yet')), { uid: 65534 });
      expect(JSON.parse(missing.stdout)).toMatchObject({ error: 'write_failed' });
    },
  );

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s while packages are installed waits for npm, and leaves the app as it was',
    async (signal) => {
      const before = await treeOf(app);
      const [started, ended] = [join(folder, `started-${count}`), join(folder, `ended-${count}`)];
      const PATH = await npmThat(`sleep 60 > /dev/null 2>&1 & sleep=$!
mkdir node_modules
trap "kill $sleep; sleep 0.3; mkdir -p node_modules; touch node_modules/late '${ended}'; exit 1" TERM
touch '${started}'
wait`);
      const child = spawn(process.execPath, [copyCommand(), 'init', app, '--yes', '--json'], {
        env: { PATH },
      });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const closed = once(child, 'close');
      await vi.waitUntil(() => existsSync(started), { timeout: 60_000 });
      expect(await readFile(join(app, 'authkit-copy.json'), 'utf8')).toContain('sha256-');
      child.kill(signal);
      expect(await closed).toEqual([2, null]);
      expect(existsSync(ended)).toBe(true);
      expect(JSON.parse(output)).toMatchObject({ error: 'cancelled' });
      expect(await treeOf(app)).toEqual(before);
    },
  );
});
