// A provider that takes private_key_jwt only (RFC 7523): the README's host app with the lines of
// docs/other-providers.md, compiled and started as its users would.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, exportPKCS8 } from 'jose';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { makeKey } from '../support/authkit/issuer.ts';
import {
  API,
  startStrictProvider,
  type StrictProvider,
} from '../support/authkit/strict-provider.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeBlocks, readText, section } from '../support/reading/markdown.ts';

const METHODS = ['private_key_jwt'];
let app: string;
let url: string;
let provider: StrictProvider;
let env: Record<string, string>;
let host: ChildProcess | undefined;

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'interop-'));
  url = `http://localhost:${await freePort()}`;
  const { privateKey, publicKey } = await makeKey();
  provider = await startStrictProvider({
    client: {
      client_id: 'client_01',
      redirect_uris: [`${url}/callback`],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [await exportJWK(publicKey)] },
    },
    metadata: { token_endpoint_auth_methods_supported: METHODS },
    accessTokenSeconds: 1,
  });
  env = {
    AUTHKIT_ISSUER: provider.issuer,
    OAUTH_APP_CLIENT_ID: 'client_01',
    CLIENT_PRIVATE_KEY: await exportPKCS8(privateKey),
    BASE_URL: url,
    PORT: new URL(url).port,
    SESSION_SECRET: 'the-secret-of-a-copied-app-0123456789',
  };
});
afterAll(async () => {
  host?.kill('SIGKILL');
  await provider.close();
  await rm(app, { recursive: true, force: true });
});

/** The README's host app as the document changes it, with a page for an active session. */
function changedHost(readme: string): string {
  const [lines = ''] = codeBlocks(readText('docs/other-providers.md'), 'ts');
  const [first, second, option = ''] = lines.split('\n');
  const page = `app.get('/active', auth.requireActiveSession(0), (_req, res) => void res.send('active'));\n`;
  return `${first}\n${second}\n${codeBlocks(readme, 'ts')[0]}`
    .replace(/^ {2}clientSecret:.*$/m, option)
    .replace('app.use(showError)', `${page}app.use(showError)`);
}

it('the lines of the document compile in the host app', { timeout: 120_000 }, async () => {
  const readme = section(readText('README.md'), 'Copy this into your app');
  await copyFolders(readme, '.', app);
  await installPackages(readme, app);
  expect(await compileHost(changedHost(readme), app)).toBe('');
});

it('it signs in, is refreshed, introspects and revokes by private_key_jwt', async () => {
  host = spawn(process.execPath, ['dist/server.js'], {
    cwd: app,
    env: { PATH: process.env['PATH'], ...env },
    stdio: 'ignore',
  });
  const ended = once(host, 'exit');
  const browser = new Browser();
  const isReady = async () =>
    (await browser.get(`${url}/login`).catch(() => undefined))?.status === 302;
  await Promise.race([vi.waitUntil(isReady, { interval: 100 }), ended]);

  expect((await browser.open(`${url}/profile`)).body).toContain('nora@example.com');
  await vi.waitUntil(
    async () => {
      expect((await browser.open(`${url}/profile`)).status).toBe(200);
      return provider.grants.includes('refresh_token');
    },
    { timeout: 30_000, interval: 500 },
  );
  expect((await browser.open(`${url}/active`)).body).toBe('active');
  await browser.open(`${url}/profile`);
  await browser.press('Sign out');
  await vi.waitUntil(() => provider.accepted.has('revocation by private_key_jwt'));
  expect([...provider.accepted].toSorted()).toEqual(
    ['introspection', 'revocation', 'token'].map((name) => `${name} by private_key_jwt`),
  );
});

it.each([
  ['no secret', {}],
  ['a secret', { OAUTH_APP_CLIENT_SECRET: 'a-client-secret-of-the-tests' }],
])('the doctor with %s in its settings names what the issuer takes', async (_, secret) => {
  const { found } = await diagnose({ ...env, ...secret, API_AUDIENCE: API });
  expect(found('offers')?.found).toMatch(/^client authentication by private_key_jwt;/);
  expect(found('credentials')).toMatchObject({
    status: 'warning',
    found: 'not checked: the issuer takes private_key_jwt only',
    change: expect.stringContaining('clientAuthentication'),
  });
});
