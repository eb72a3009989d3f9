// What the README says to copy works where it is copied to: its commands, its dependencies and its
// host app are taken as they stand, put beside nothing of ours, type-checked, started and used.
import { execFile, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startLocalAuthKit, type LocalAuthKit } from '../src/local-authkit/start.ts';
import { freePort, settingsFor } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { codeBlocks, readText, section } from './support/markdown.ts';

const run = promisify(execFile);
const TSC = resolve('node_modules/typescript/bin/tsc');

const typescript = section(readText('README.md'), 'Copy this into your app');
const commonjs = readText('docs/copying.md');
let folder: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startLocalAuthKit({ port: 0, redirectUris: [`${url}/callback`] });
});

afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

const commands = (text: string) => codeBlocks(text, '').join('').split('\n');

/** Carries out the `cp` lines: the folders they name, from here to below `app`. */
async function copyFolders(text: string, from: string, app: string): Promise<void> {
  const [, names = '', to = ''] =
    /^cp -r (.*) \.\.\/your-app\/(.*)$/m.exec(commands(text).join('\n')) ?? [];
  for (const name of names.split(' ')) {
    const source = join(from, name);
    await cp(source, join(app, to, name.split('/').at(-1) ?? ''), { recursive: true });
  }
}

/** Carries out the `npm install` lines: these packages and no others, as they are installed here. */
async function installPackages(text: string, app: string): Promise<void> {
  const lines = commands(text).filter((line) => line.startsWith('npm install'));
  const packages = lines.flatMap((line) =>
    line.replace(/^npm install( --save-dev)?/, '').split(' '),
  );
  for (const name of packages.filter(Boolean)) {
    const target = join(app, 'node_modules', name);
    await mkdir(dirname(target), { recursive: true });
    await symlink(resolve('node_modules', name), target);
  }
}

/** Signs Bruno in to the app that `file` starts, and out again; returns what the pages said. */
async function useApp(app: string, file: string) {
  const env = {
    ...process.env,
    ...settingsFor(authKit, 'firstParty'),
    BASE_URL: url,
    PORT: new URL(url).port,
    SESSION_SECRET: 'the-secret-of-a-copied-app-0123456789',
  };
  const child = spawn(process.execPath, [file], { cwd: app, env });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = new Promise((done) => child.once('exit', done));
  try {
    const browser = new Browser();
    await vi.waitUntil(() => browser.open(url).catch(() => undefined), { timeout: 20_000 });
    const stranger = await browser.fetch(`${url}/profile`);
    // The issuer is looked for in the background: until it is found, sign-in answers 503.
    await vi.waitUntil(async () => (await browser.get(`${url}/login`)).status === 302);
    await browser.open(`${url}/profile`);
    const profile = await browser.follow(await browser.press('Bruno'));
    const signedOut = await browser.follow(await browser.press('Sign out'));
    const afterwards = await browser.fetch(`${url}/profile`);
    const failure = await browser.open(`${url}/callback?code=x&state=y`);
    return { stranger, profile, signedOut, afterwards, failure, stderr };
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

function expectSignedIn({ stranger, profile, signedOut, afterwards, failure, stderr }: Used): void {
  const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
  expect(stranger.status, stderr).toBe(401);
  expect(profile.url.href).toBe(`${url}/profile`);
  expect(profile.body).toContain(bruno?.sub);
  expect(signedOut.url.pathname).toBe('/signed-out');
  expect(afterwards.status).toBe(401);
  expect(failure.status).toBe(400);
  expect(failure.body).toContain('Sign in again');
}

type Used = Awaited<ReturnType<typeof useApp>>;

describe('a strict TypeScript app', () => {
  const [block = ''] = codeBlocks(typescript, 'ts');

  test('needs a host of at most 25 lines', () => {
    expect(block.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
  });

  test('compiles with every strict flag and signs in', { timeout: 120_000 }, async () => {
    const app = join(folder, 'strict');
    await copyFolders(typescript, '.', app);
    await installPackages(typescript, app);
    const { compilerOptions } = JSON.parse(readText('tsconfig.json')) as {
      compilerOptions: object;
    };
    const options = { ...compilerOptions, noEmit: false, rootDir: 'src', outDir: 'dist' };
    await writeFile(join(app, 'src/server.ts'), block);
    await writeFile(join(app, 'package.json'), '{ "type": "module" }');
    await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }));
    const compiled = await run(process.execPath, [TSC], { cwd: app }).catch(
      (error: { stdout: string }) => error,
    );
    expect(compiled.stdout).toBe('');
    expectSignedIn(await useApp(app, 'dist/server.js'));
  });
});

describe('a CommonJS app', () => {
  const [block = ''] = codeBlocks(commonjs, 'js');

  test('requires a built copy and signs in', { timeout: 120_000 }, async () => {
    const app = join(folder, 'commonjs');
    const built = join(folder, 'built');
    const build = [TSC, '-p', 'tsconfig.build.json', '--outDir', join(built, 'dist')];
    await run(process.execPath, build);
    await copyFolders(commonjs, built, app);
    await installPackages(commonjs, app);
    const [, type = '', file = ''] =
      /^echo '(.*)' > \.\.\/your-app\/(.*)$/m.exec(commands(commonjs).join('\n')) ?? [];
    await writeFile(join(app, file), type);
    await writeFile(join(app, 'package.json'), '{ "type": "commonjs" }');
    await writeFile(join(app, 'server.js'), block);
    expectSignedIn(await useApp(app, 'server.js'));
  });
});

test('the packages to install are those that the copied folders import', async () => {
  const [install = ''] = commands(typescript).filter((line) => line.startsWith('npm install '));
  const sources = ['src/auth', 'src/store'].flatMap((from) =>
    readdirSync(from).map((name) => readText(join(from, name))),
  );
  const imported = [...sources.join('\n').matchAll(/^.*\bfrom '([^.][^']*)';$/gm)]
    .map(([, name = '']) => name.split('/')[0] ?? '')
    .filter((name) => !name.startsWith('node:'));
  expect(install.replace('npm install ', '').split(' ')).toEqual([...new Set(imported)].toSorted());
});
