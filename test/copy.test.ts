// What the README says to copy works where it is copied to: its commands, its dependencies and its
// host app are taken as they stand, put beside nothing of ours, type-checked, started and used.
import { execFile, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startLocalAuthKit, type LocalAuthKit } from '../src/local-authkit/start.ts';
import { freePort, settingsFor } from './support/app.ts';
import { Browser } from './support/browser.ts';
import {
  commandsIn,
  compileHost,
  copyFolders,
  installPackages,
  packagesIn,
  TSC,
} from './support/copied-app.ts';
import { codeBlocks, readText, section } from './support/markdown.ts';

const run = promisify(execFile);

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
    // Where an app sets no `lib`, the types of the DOM are there too, and some have the same names.
    expect(await compileHost(block, app, { lib: ['es2023', 'dom'], noEmit: true })).toBe('');
    expect(await compileHost(block, app)).toBe('');
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
      /^echo '(.*)' > \.\.\/your-app\/(.*)$/m.exec(commandsIn(commonjs).join('\n')) ?? [];
    await writeFile(join(app, file), type);
    await writeFile(join(app, 'package.json'), '{ "type": "commonjs" }');
    await writeFile(join(app, 'server.js'), block);
    expectSignedIn(await useApp(app, 'server.js'));
  });
});

describe.each([
  ['README.md', typescript],
  ['docs/copying.md', commonjs],
  ['the API part', section(readText('README.md'), 'The API')],
])('the install lines of %s', (_name, text) => {
  test('name the versions that are tested here', () => {
    const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const ours = { ...dependencies, ...devDependencies };
    const packages = packagesIn(text);
    expect(packages.length).toBeGreaterThan(1);
    // The caret ends at the first number that is not zero, and so does what the line says.
    const tested = packages.map(({ name }) => /^\^(0\.\d+|\d+)/.exec(ours[name] ?? '')?.[1]);
    expect(packages.map(({ version }) => version)).toEqual(tested);
  });
});

test('the packages to install are those that the copied folders import', () => {
  const sources = ['src/auth', 'src/store'].flatMap((from) =>
    readdirSync(from).map((name) => readText(join(from, name))),
  );
  const imported = [...sources.join('\n').matchAll(/^.*\bfrom '([^.][^']*)';$/gm)]
    .map(([, name = '']) => name.split('/')[0] ?? '')
    .filter((name) => !name.startsWith('node:'));
  const named = packagesIn(typescript).map(({ name }) => name);
  expect(named.filter((name) => !name.startsWith('@types/'))).toEqual(
    [...new Set(imported)].toSorted(),
  );
});
