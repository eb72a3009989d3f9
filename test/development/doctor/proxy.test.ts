// The doctor finds planted faults in BASE_URL, TRUST_PROXY and the proxy in front of the app.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateFor } from '../../support/machine/certificate.ts';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { createServers, diagnose, proxyTo, runAsJson } from '../../support/app/doctor.ts';

let app: TestApp;
let folder: string;
const servers = createServers();

beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
});
afterAll(async () => {
  servers.close();
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const find = (changed: Record<string, string>) => diagnose({ ...app.env, ...changed });

describe('BASE_URL', () => {
  it('gives a warning while the app is not running', async () => {
    const port = `${await freePort()}`;
    const { found, problems } = await find({ BASE_URL: `http://localhost:${port}`, PORT: port });
    expect(found('app')).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('nothing is listening there'),
      change: expect.stringContaining('npm start'),
    });
    expect(problems).toEqual(['redirect URI']);
  });

  it('is compared with PORT', async () => {
    const [port, other] = [await freePort(), await freePort()];
    const { found } = await find({ BASE_URL: `http://localhost:${port}`, PORT: `${other}` });
    expect(found('app')?.change).toMatch(
      new RegExp(`^PORT=${port}, or BASE_URL with port ${other}`),
    );
  });

  it.each([
    ['a proxy without the app', 502, {}, 'warning', /HTTP 502/, /npm start/],
    ['another program', 404, {}, 'problem', /is not this app.*HTTP 404/, /^BASE_URL: /],
    [
      'a host that redirects',
      308,
      { location: 'https://www.example.com/healthz' },
      'problem',
      /redirects to https:\/\/www\.example\.com$/,
      /^BASE_URL=https:\/\/www\.example\.com$/,
    ],
  ])('is reported when it leads to %s', async (_, code, headers, status, said, change) => {
    const base = await servers.serve((_req, res) => res.writeHead(code, { ...headers }).end());
    const { found } = await find({ BASE_URL: base });
    expect(found('app')).toMatchObject({ status, found: expect.stringMatching(said) });
    expect(found('app')?.change).toMatch(change);
  });

  it.each([
    ['forwards', {}],
    ['replaces', { headers: { host: 'app.internal:3000' } }],
  ])('is compared with that of the running app when the proxy %s Host', async (_, detour) => {
    const proxy = await servers.serve(proxyTo(() => app.port, detour));
    const { found } = await find({ BASE_URL: proxy });
    expect(found('app')).toMatchObject({
      status: 'problem',
      found: `the running app has BASE_URL ${app.url}, the doctor has ${proxy}`,
      change: `BASE_URL=${app.url}, or restart the app`,
    });
  });

  it.each([
    [{ BASE_URL: 'https://localhost:1' }, /one rate limit/, /^TRUST_PROXY=1$/],
    [{ TRUST_PROXY: '1' }, /BASE_URL is http:/, /^BASE_URL=https:/],
  ])('is compared with TRUST_PROXY: %o', async (changed, said, change) => {
    const proxy = (await find(changed)).found('proxy');
    expect(proxy).toMatchObject({ status: 'warning', found: expect.stringMatching(said) });
    expect(proxy?.change).toMatch(change);
  });
});

describe('a proxy that terminates TLS', () => {
  const FORWARDED = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' };
  let behind: TestApp | undefined;

  /** Runs the doctor against the app behind this proxy. */
  async function look(detour: Parameters<typeof proxyTo>[1], env: Record<string, string> = {}) {
    const { cert, key } = certificateFor('localhost');
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, cert);
    const forward = proxyTo(() => behind?.port ?? 0, detour);
    const origin = await servers.serve(forward, createTlsServer({ key, cert }));
    const baseUrl = origin.replace('http:', 'https:');
    behind = await startTestApp({
      env: { SESSION_SECRET: '0123456789abcdefghijklmnopqrstuvwxyz', BASE_URL: baseUrl, ...env },
      authKit: { redirectUris: [`${baseUrl}/callback`] },
    });
    try {
      return await runAsJson({ NODE_EXTRA_CA_CERTS: ca, ...behind.env });
    } finally {
      await behind.close();
    }
  }

  it('is no problem when the app trusts it', async () => {
    const { code, found } = await look({ headers: FORWARDED }, { TRUST_PROXY: '1' });
    expect(found('proxy')).toEqual({ check: 'proxy', status: 'ok', found: 'TRUST_PROXY=1' });
    expect(found('app')).toMatchObject({ status: 'ok', found: expect.stringContaining('cookie') });
    expect(code).toBe(0);
  });

  it('is a problem when the app does not trust it', async () => {
    const { code, found } = await look({ headers: FORWARDED });
    expect(found('proxy')).toMatchObject({
      status: 'problem',
      found: 'requests come through a proxy that the app does not trust',
      change: expect.stringMatching(/^TRUST_PROXY=1/),
    });
    expect(code).toBe(1);
  });

  it('gives a warning when it replaces Host', async () => {
    const headers = { ...FORWARDED, host: 'app.internal:3000' };
    const { code, found } = await look({ headers }, { TRUST_PROXY: '1' });
    expect(found('proxy')).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('replaces the Host header'),
      change: expect.stringContaining('proxy_set_header Host $http_host;'),
    });
    expect(found('app')?.status).toBe('ok');
    expect(code).toBe(0);
  });

  it.each([
    ['drops', () => ''],
    ['makes insecure', (cookie: string) => cookie.replace(/; secure/i, '')],
    ['moves', (cookie: string) => cookie.replace(/; path=\//i, '; Path=/app')],
    ['widens', (cookie: string) => `${cookie}; Domain=example.com`],
  ])('is a problem when it %s cookies', async (_, cookie) => {
    const { code, found } = await look({ headers: FORWARDED, cookie }, { TRUST_PROXY: '1' });
    expect(found('app')).toEqual({
      check: 'app',
      status: 'problem',
      found: 'its cookie does not arrive unchanged',
      change: 'proxy: forward Set-Cookie unchanged',
    });
    expect(code).toBe(1);
  });

  it('gives a warning when this machine does not trust its certificate', async () => {
    const env = { TRUST_PROXY: '1', NODE_EXTRA_CA_CERTS: '' };
    const { found } = await look({ headers: FORWARDED }, env);
    expect(found('app')).toMatchObject({
      status: 'warning',
      found: expect.stringContaining(
        'its certificate is not trusted; add its CA with NODE_EXTRA_CA_CERTS',
      ),
    });
  });
});
