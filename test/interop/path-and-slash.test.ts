// An issuer with a path and a trailing slash, whose certificate is from a private authority: the app
// and the doctor as processes, which trust it by NODE_EXTRA_CA_CERTS.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { certificateFor } from '../support/machine/certificate.ts';
import { freePort } from '../support/app/app.ts';
import { runAsJson } from '../support/app/doctor.ts';
import { startServer, type ServerProcess } from '../support/app/server-process.ts';
import {
  API,
  startStrictProvider,
  type StrictProvider,
} from '../support/authkit/strict-provider.ts';
import { Browser } from '../support/browser/browser.ts';

let folder: string;
let url: string;
let env: Record<string, string>;
let browser: Browser;
let provider: StrictProvider;
let server: ServerProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interop-'));
  const { cert, key } = certificateFor('localhost');
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, cert);
  const port = await freePort();
  url = `http://localhost:${port}`;
  const client = {
    client_id: 'client_01',
    client_secret: 'a-client-secret-of-the-tests',
    redirect_uris: [`${url}/callback`],
  };
  provider = await startStrictProvider({
    client,
    path: '/test/a/name/',
    tls: { key, cert },
    metadata: { token_endpoint_auth_methods_supported: ['client_secret_basic'] },
    accessTokenSeconds: 1,
  });
  env = {
    AUTHKIT_ISSUER: provider.issuer,
    OAUTH_APP_CLIENT_ID: client.client_id,
    OAUTH_APP_CLIENT_SECRET: client.client_secret,
    API_AUDIENCE: API,
    PORT: String(port),
    SESSION_DB: join(folder, 'sessions.db'),
    NODE_EXTRA_CA_CERTS: ca,
  };
  browser = new Browser({ ca: cert });
  server = await startServer(env);
});
afterAll(async () => {
  server.child.kill('SIGKILL');
  await server.ended;
  await provider.close();
  await rm(folder, { recursive: true, force: true });
});

it('/readyz responds 200', async () => {
  await vi.waitUntil(async () => (await fetch(`${url}/readyz`)).status === 200);
});

it('the doctor finds no problem, and names the issuer with its slash', async () => {
  const { code, found } = await runAsJson(env);
  expect(found('issuer')).toMatchObject({ status: 'ok', found: provider.issuer });
  expect(found('credentials')?.found).toBe('secret accepted (client_secret_basic)');
  expect(code).toBe(0);
});

it('the doctor names the line to set for the issuer without the slash', async () => {
  const AUTHKIT_ISSUER = provider.issuer.slice(0, -1);
  const { code, found } = await runAsJson({ ...env, AUTHKIT_ISSUER });
  expect(code).toBe(1);
  expect(found('issuer')).toMatchObject({
    found: `set to ${AUTHKIT_ISSUER}, but its metadata names ${provider.issuer}`,
    change: `AUTHKIT_ISSUER=${provider.issuer}`,
  });
});

it('the doctor names NODE_EXTRA_CA_CERTS if it is not set', async () => {
  const { found } = await runAsJson({ ...env, NODE_EXTRA_CA_CERTS: '' });
  expect(found('issuer')).toMatchObject({
    found: expect.stringContaining('its certificate is not trusted'),
    change: expect.stringMatching(/^NODE_EXTRA_CA_CERTS=/),
  });
});

it('the banner names the issuer with its slash', () => {
  expect(server.output).toContain(`Issuer        ${provider.issuer}\n`);
});

it('a user signs in, calls the API, is refreshed and signs out', async () => {
  expect((await browser.open(`${url}/profile`)).body).toContain('nora@example.com');
  await vi.waitUntil(
    async () => {
      expect((await browser.open(`${url}/api-call`)).body).toContain('user_01');
      return provider.grants.includes('refresh_token');
    },
    { timeout: 30_000, interval: 500 },
  );
  expect((await browser.open(`${url}/moderation`)).status).toBe(200);
  const headers = { authorization: `Bearer ${provider.accessTokens.at(-1)}` };
  expect((await fetch(`${url}/api/me/active`, { headers })).status).toBe(200);
  await browser.open(`${url}/`);
  const { location } = await browser.press('Sign out');
  expect(location?.href).toContain(provider.issuer);
  await vi.waitUntil(() => provider.accepted.has('revocation by client_secret_basic'));
});

it('the documents of the API name the issuer with its slash', async () => {
  const response = await fetch(`${url}/.well-known/oauth-protected-resource`);
  expect(await response.json()).toMatchObject({ authorization_servers: [provider.issuer] });
});
