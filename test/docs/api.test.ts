// docs/api.md runs verbatim: the curl lines, and the host app beside a copy.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort, startTestApp } from '../support/app/app.ts';
import type { TestApp } from '../support/app/app.ts';
import { call, callWith } from '../support/app/bearer-app.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { codeBlocks, readText, section } from '../support/reading/markdown.ts';
import { audience, startIssuer } from '../support/authkit/issuer.ts';

const run = promisify(execFile);
const page = readText('docs/api.md');
const trying = section(page, 'Try it');
const copying = section(page, 'Copy it into your app');
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

test('the curl lines get the statuses in their comments', async () => {
  const [block = ''] = codeBlocks(trying, 'sh');
  const script = block
    .replaceAll('http://localhost:3000', app.url)
    .replaceAll('http://localhost:4000', app.authKit.issuer);
  const { clientId, clientSecret } = app.authKit.applications.machine;
  const env = { ...process.env, M2M_CLIENT_ID: clientId, M2M_CLIENT_SECRET: clientSecret };
  expect(script).toContain(`ISSUER=${app.authKit.issuer} `);
  const { stdout } = await run('sh', ['-ec', script], { env });
  const said = [...block.matchAll(/# (\d{3})$/gm)].map(([, status]) => status);
  const got = [...stdout.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  expect(said.length).toBeGreaterThan(4);
  expect(got).toEqual(said);
});

test('the host app compiles beside a copy and guards its route', { timeout: 120_000 }, async () => {
  const [host = ''] = codeBlocks(copying, 'ts');
  expect(host.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
  await copyFolders(copying, '.', folder);
  await installPackages(copying, folder);
  expect(await compileHost(host, folder, { lib: ['es2023', 'dom'], noEmit: true })).toBe('');
  expect(await compileHost(host, folder)).toBe('');
  const issuer = await startIssuer();
  const port = String(await freePort());
  const BASE_URL = `http://localhost:${port}`;
  const env = {
    PATH: process.env['PATH'],
    AUTHKIT_ISSUER: issuer.url,
    // Holds the application's own client id too, which is the `aud` of its ID tokens.
    API_AUDIENCE: `client_own, ${audience},`,
    OAUTH_APP_CLIENT_ID: 'client_own',
    BASE_URL,
    PORT: port,
  };
  const child = spawn(process.execPath, ['dist/server.js'], { cwd: folder, env });
  const exited = new Promise((done) => child.once('exit', done));
  let logged = '';
  child.stdout.on('data', (chunk: Buffer) => (logged += chunk.toString()));
  try {
    const orders = `${BASE_URL}/orders`;
    const asked = await vi.waitUntil(() => call(orders).catch(() => undefined), {
      timeout: 20_000,
    });
    expect(asked.status).toBe(401);
    const [, document = ''] = /resource_metadata="([^"]+)"/.exec(asked.challenge ?? '') ?? [];
    expect((await call(document)).body).toMatchObject({
      resource: orders,
      authorization_servers: [issuer.url],
    });
    expect((await callWith(orders, await issuer.sign())).body).toEqual({ ordersOf: 'user_01' });
    expect((await callWith(orders, await issuer.sign({ scope: 'openid' }))).status).toBe(403);
    expect((await callWith(orders, await issuer.sign({ aud: 'client_app' }))).status).toBe(401);
    const own = { aud: 'client_own', sid: 'app_consent_01' };
    const idToken = await issuer.sign({ ...own, scope: undefined, client_id: undefined });
    expect((await callWith(orders, idToken)).status).toBe(401);
    expect((await callWith(orders, await issuer.sign(own))).status).toBe(200);
    await vi.waitUntil(() => /'token_refused',\s+code: 'invalid_token'/.test(logged));
  } finally {
    child.kill('SIGKILL');
    await exited;
    await issuer.close();
  }
});
