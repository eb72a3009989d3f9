// The README's API part is run as it stands: the curl lines, and the host app beside a copy.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort, startTestApp } from './support/app.ts';
import type { TestApp } from './support/app.ts';
import { call, callWith } from './support/bearer-app.ts';
import { codeBlocks, readText, section } from './support/markdown.ts';
import { audience, startIssuer } from './support/issuer.ts';

const run = promisify(execFile);
const text = section(readText('README.md'), 'The API');
const tsc = resolve('node_modules/typescript/bin/tsc');
let folder: string;
let app: TestApp;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'api-'));
  app = await startTestApp();
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

test('the curl lines get the answers that stand beside them', async () => {
  const [block = ''] = codeBlocks(text, 'sh');
  const script = block
    .replaceAll('http://localhost:3000', app.url)
    .replaceAll('http://localhost:4000', app.authKit.issuer);
  const { clientId, clientSecret } = app.authKit.applications.machine;
  const env = { ...process.env, M2M_CLIENT_ID: clientId, M2M_CLIENT_SECRET: clientSecret };
  const { stdout } = await run('sh', ['-ec', script], { env });
  const said = [...block.matchAll(/# (\d{3})$/gm)].map(([, status]) => status);
  const got = [...stdout.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  expect(said.length).toBeGreaterThan(4);
  expect(got).toEqual(said);
});

/** Copies the folder and the packages that the README names, and compiles the host with all flags. */
async function copyAndBuild(host: string): Promise<void> {
  const commands = codeBlocks(text, '').join('').split('\n');
  const [, from = '', to = ''] =
    /^cp -r (\S+) \.\.\/your-app\/(\S+)$/.exec(commands[0] ?? '') ?? [];
  await cp(from, join(folder, to, from.split('/').at(-1) ?? ''), { recursive: true });
  const installs = commands.filter((line) => line.startsWith('npm install'));
  const names = installs
    .flatMap((line) => line.split(' ').slice(2))
    .filter((name) => !name.startsWith('--'));
  for (const name of names) {
    const target = join(folder, 'node_modules', name);
    // oxlint-disable-next-line no-await-in-loop -- two packages may share a folder
    await mkdir(dirname(target), { recursive: true });
    // oxlint-disable-next-line no-await-in-loop -- after its folder
    await symlink(resolve('node_modules', name), target);
  }
  const { compilerOptions } = JSON.parse(readText('tsconfig.json')) as { compilerOptions: object };
  const options = { ...compilerOptions, noEmit: false, rootDir: 'src', outDir: 'dist' };
  await writeFile(join(folder, 'src/server.ts'), host);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }));
  const compiled = await run(process.execPath, [tsc], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  );
  expect(compiled.stdout).toBe('');
}

test('the host app compiles beside a copy and guards its route', async () => {
  const [host = ''] = codeBlocks(text, 'ts');
  expect(host.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
  await copyAndBuild(host);
  const issuer = await startIssuer();
  const port = String(await freePort());
  const BASE_URL = `http://localhost:${port}`;
  const env = {
    PATH: process.env['PATH'],
    AUTHKIT_ISSUER: issuer.url,
    API_AUDIENCE: audience,
    BASE_URL,
    PORT: port,
  };
  const child = spawn(process.execPath, ['dist/server.js'], { cwd: folder, env });
  const exited = new Promise((done) => child.once('exit', done));
  try {
    const orders = `${BASE_URL}/orders`;
    const asked = await vi.waitUntil(() => call(orders).catch(() => undefined), {
      timeout: 20_000,
    });
    expect(asked.status).toBe(401);
    const [, document = ''] = /resource_metadata="([^"]+)"/.exec(asked.challenge ?? '') ?? [];
    expect((await call(document)).body).toMatchObject({
      resource: BASE_URL,
      authorization_servers: [issuer.url],
    });
    expect((await callWith(orders, await issuer.sign())).body).toEqual({ ordersOf: 'user_01' });
    expect((await callWith(orders, await issuer.sign({ scope: 'openid' }))).status).toBe(403);
    expect((await callWith(orders, await issuer.sign({ aud: 'client_app' }))).status).toBe(401);
  } finally {
    child.kill('SIGKILL');
    await exited;
    await issuer.close();
  }
});
