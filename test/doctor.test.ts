// Each fault is planted into a setting, the issuer, the store or the proxy; the doctor finds it and
// says which line to change.
import { spawn } from 'node:child_process';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examine } from '../src/doctor/examine.ts';
import type { Finding } from '../src/doctor/report.ts';
import { freePort, settingsFor, startTestApp, type TestApp } from './support/app.ts';

let app: TestApp;
let folder: string;
const servers: Server[] = [];

beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
});

afterAll(async () => {
  await app.close();
  for (const server of servers) server.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/doctor/main.ts', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const code = await new Promise<number | null>((resolve) => {
    if (child.exitCode === null) child.on('exit', resolve);
    else resolve(child.exitCode);
  });
  return { code, out, err };
}

async function find(changed: Record<string, string>, accessToken?: string) {
  const env = { ...app.env, ...changed };
  const findings = await examine(env, accessToken);
  // Whatever it finds, it never shows a secret.
  for (const secret of [env['SESSION_SECRET'], env['OAUTH_APP_CLIENT_SECRET']]) {
    if (secret) expect(JSON.stringify(findings)).not.toContain(secret);
  }
  return (check: string) => findings.find((finding) => finding.check === check);
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An issuer in front of the local AuthKit whose configuration is changed on the way. */
async function bentIssuer(change: (metadata: Record<string, unknown>) => void, date?: Date) {
  const { issuer } = app.authKit;
  let own = '';
  own = await serve((_req, res) => {
    void fetch(`${issuer}/.well-known/openid-configuration`).then(async (response) => {
      const metadata = (await response.json()) as Record<string, unknown>;
      metadata['issuer'] = own;
      change(metadata);
      if (date) res.setHeader('date', date.toUTCString());
      return res.end(JSON.stringify(metadata));
    });
  });
  return own;
}

describe('the doctor', () => {
  it('finds nothing wrong with an app that works', async () => {
    const { code, out } = await run(app.env, '--json');
    const lines = JSON.parse(out) as Finding[];
    expect(lines.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(lines.map(({ check }) => check)).toEqual([
      'settings',
      'issuer',
      'metadata',
      'keys',
      'clock',
      'client id',
      'redirect URI',
      'credentials',
      'scopes',
      'audience',
      'session file',
      'proxy',
      'app',
    ]);
    expect(code).toBe(0);
  });

  it('says so in lines for people, with the change below a problem', async () => {
    const { code, out } = await run({ ...app.env, OAUTH_APP_CLIENT_SECRET: 'a'.repeat(64) });
    expect(out).toMatch(/^problem {2}credentials +the secret is refused$/m);
    expect(out).toMatch(/^ +-> OAUTH_APP_CLIENT_SECRET=<a new secret from the dashboard>$/m);
    expect(out).toMatch(/^\d+ ok, 0 warnings, 1 problems$/m);
    expect(code).toBe(1);
  });

  const wrongSettings: [
    fault: string,
    env: () => Record<string, string>,
    check: string,
    change: string,
  ][] = [
    ['an unreadable port', () => ({ PORT: '3000x' }), 'settings', 'PORT'],
    [
      'an issuer that is away',
      () => ({ AUTHKIT_ISSUER: 'http://127.0.0.1:9' }),
      'issuer',
      'AUTHKIT_ISSUER',
    ],
    [
      'an issuer path that is wrong',
      () => ({ AUTHKIT_ISSUER: `${app.authKit.issuer}/nothing` }),
      'issuer',
      'AUTHKIT_ISSUER',
    ],
    [
      'another name of the issuer',
      () => ({ AUTHKIT_ISSUER: app.authKit.issuer.replace('localhost', '127.0.0.1') }),
      'issuer',
      'AUTHKIT_ISSUER=http://localhost',
    ],
    [
      'an unknown client id',
      () => ({ OAUTH_APP_CLIENT_ID: 'client_unknown' }),
      'client id',
      'OAUTH_APP_CLIENT_ID',
    ],
    [
      'an unregistered redirect URI',
      () => ({ BASE_URL: 'http://localhost:1' }),
      'client id',
      'http://localhost:1/callback',
    ],
    [
      'a secret that is refused',
      () => ({ OAUTH_APP_CLIENT_SECRET: 'b'.repeat(64) }),
      'credentials',
      'OAUTH_APP_CLIENT_SECRET',
    ],
    [
      'a secret that is missing',
      () => ({ OAUTH_APP_CLIENT_SECRET: '' }),
      'credentials',
      'OAUTH_APP_CLIENT_SECRET',
    ],
    [
      'a scope the application has not',
      () => ({ OAUTH_SCOPE: 'openid nonsense' }),
      'client id',
      'OAUTH_SCOPE',
    ],
    ['Redis that is away', () => ({ REDIS_URL: 'redis://127.0.0.1:9' }), 'Redis', 'REDIS_URL'],
    [
      'a session file that is a folder',
      () => ({ SESSION_DB: folder }),
      'session file',
      'SESSION_DB',
    ],
  ];
  it.each(wrongSettings)('finds %s and says what to change', async (_fault, env, check, change) => {
    const found = await find(env());
    expect(found(check)).toMatchObject({
      status: 'problem',
      change: expect.stringContaining(change),
    });
  });

  it('finds metadata without a token endpoint, keys that are gone, and a clock that is off', async () => {
    const noToken = await bentIssuer((metadata) => delete metadata['token_endpoint']);
    const withoutToken = await find({ AUTHKIT_ISSUER: noToken });
    expect(withoutToken('metadata')?.found).toContain('token_endpoint');
    const nothing = await serve((_req, res) => res.end('{"keys":[]}'));
    const noKeys = await bentIssuer(
      (metadata) => (metadata['jwks_uri'] = nothing),
      new Date(Date.now() - 120_000),
    );
    const found = await find({ AUTHKIT_ISSUER: noKeys });
    expect(found('keys')).toMatchObject({ status: 'problem' });
    expect(found('clock')).toMatchObject({
      status: 'problem',
      found: expect.stringMatching(/12\d s ahead/),
    });
  });

  it('compares API_AUDIENCE with a real access token', async () => {
    const { clientId, clientSecret } = app.authKit.applications.machine;
    const response = await fetch(`${app.authKit.issuer}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
      }),
    });
    const { access_token: accessToken } = (await response.json()) as { access_token: string };
    expect((await find({}, accessToken))('audience')?.status).toBe('ok');
    const other = await find({ API_AUDIENCE: 'client_other' }, accessToken);
    expect(other('audience')?.change).toBe(`API_AUDIENCE=${app.authKit.environmentClientId}`);
    expect((await find({ API_AUDIENCE: '' }))('audience')?.status).toBe('warning');
    const file = join(folder, 'token');
    await writeFile(file, accessToken);
    expect((await run(app.env, '--token', file)).out).toContain('as in the given token');
  });

  it('warns of a scope without offline_access', async () => {
    const found = await find({ OAUTH_SCOPE: 'openid profile' });
    expect(found('scopes')).toMatchObject({
      status: 'warning',
      change: expect.stringContaining('offline_access'),
    });
  });

  it('warns of an https BASE_URL whose proxy is not trusted', async () => {
    const found = await find({ BASE_URL: 'https://localhost:1' });
    expect(found('proxy')).toMatchObject({ status: 'warning', change: 'TRUST_PROXY=1' });
  });

  it('finds a running app that answers under another origin than it believes', async () => {
    const proxy = await serve((req, res) => {
      void fetch(`${app.url}${req.url}`, { redirect: 'manual' }).then((response) => {
        const cookies = response.headers.getSetCookie();
        const location = response.headers.get('location');
        res.writeHead(response.status, { 'set-cookie': cookies, ...(location && { location }) });
        return res.end();
      });
    });
    const found = await find({ BASE_URL: proxy });
    expect(found('app')).toMatchObject({ status: 'problem', change: `BASE_URL=${app.url}` });
  });

  it.runIf(process.getuid?.() !== 0)('finds a session file it may not write', async () => {
    const file = join(folder, 'locked.db');
    await writeFile(file, '');
    await chmod(file, 0o400);
    expect((await find({ SESSION_DB: file }))('session file')?.status).toBe('problem');
  });

  it('accepts a Public application without a secret', async () => {
    const { OAUTH_APP_CLIENT_ID = '' } = settingsFor(app.authKit, 'publicApp');
    const found = await find({ OAUTH_APP_CLIENT_ID, OAUTH_APP_CLIENT_SECRET: '' });
    expect(found('credentials')).toMatchObject({
      status: 'ok',
      found: 'accepted as a Public application',
    });
  });

  it('explains itself, and exits with 2 when called wrongly', async () => {
    const { OAUTH_APP_CLIENT_SECRET: _secret, ...env } = app.env;
    expect((await run(env, '--help')).out).toContain('npm run doctor');
    expect((await run(env, '--nonsense')).code).toBe(2);
    const port = await freePort();
    const unset = await run({ PORT: String(port) }, '--json');
    expect(unset.code).toBe(0);
    expect(unset.out).toContain('the app starts its local AuthKit');
  });
});
