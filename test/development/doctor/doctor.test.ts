// `npm run doctor` as a whole: its report, --json, exit codes, settings, and API_AUDIENCE against a
// real token. It finds each planted fault and names the line to change.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/config.ts';
import { examine } from '../../../src/development/doctor/examine.ts';
import {
  counted,
  describe as report,
  ok,
  problem,
  warning,
} from '../../../src/development/doctor/report.ts';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { diagnose, runAsJson, runDoctor, runDoctorAs } from '../../support/app/doctor.ts';
import { EVERY_SCOPE, LocalClient } from '../../support/authkit/local-client.ts';

let app: TestApp;
let folder: string;
let tokens: Record<string, string>;

beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  const { OAUTH_APP_CLIENT_ID = '', OAUTH_APP_CLIENT_SECRET = '' } = app.env;
  const client = new LocalClient(app.authKit.issuer, OAUTH_APP_CLIENT_ID, OAUTH_APP_CLIENT_SECRET);
  const redirectUri = `${app.url}/callback`;
  const own = { redirect_uri: redirectUri, scope: EVERY_SCOPE };
  tokens = await client.signIn({ person: 'Bruno Okafor' }, own);
});

afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const CHECKS =
  'settings,issuer,metadata,offers,keys,clock,client id,redirect URI,credentials,scopes,audience,session file,proxy,app';

describe('the report', () => {
  it('shows no problem for a working app, and exits with 0', async () => {
    const { code, out } = await runDoctor(app.env);
    expect(
      out
        .match(/^\w+ {2,}.*?(?= {2})/gm)
        ?.map((line) => line.slice(9))
        .join(),
    ).toBe(CHECKS);
    expect(out).toMatch(/^14 ok, 0 warnings, 0 problems$/m);
    expect(code).toBe(0);
  });

  it('shows the change below each problem, and exits with 1', async () => {
    const { code, out } = await runDoctor({ ...app.env, OAUTH_APP_CLIENT_SECRET: 'a'.repeat(64) });
    expect(out).toMatch(
      /^problem {2}credentials {3}the secret is refused, by client_secret_post and by client_secret_basic\n +-> OAUTH_APP_CLIENT_SE/m,
    );
    expect(out).toMatch(/^13 ok, 0 warnings, 1 problem$/m);
    expect(code).toBe(1);
  });

  it('exits with 0 for a warning', async () => {
    const { code, found } = await runAsJson({ ...app.env, OAUTH_SCOPE: 'openid profile' });
    expect(found('scopes')).toEqual({
      check: 'scopes',
      status: 'warning',
      found: 'without offline_access, access tokens cannot be refreshed',
      change: 'OAUTH_SCOPE=openid profile offline_access',
    });
    expect(code).toBe(0);
  });

  it('uses the singular for one', () => {
    const [fine, odd, bad] = [ok('a', 'b'), warning('a', 'b'), problem('a', 'b', 'c')];
    expect(report([fine, odd, bad])).toContain('\n1 ok, 1 warning, 1 problem\n');
    expect(report([odd, odd, bad, bad])).toContain('\n0 ok, 2 warnings, 2 problems\n');
    expect([counted(0, 'key'), counted(1, 'key'), counted(2, 'key')]).toEqual([
      '0 keys',
      '1 key',
      '2 keys',
    ]);
  });

  it('strips control characters of foreign text, which could rewrite the terminal', () => {
    const lines = report([problem('issuer', 'it is \u001b[2Jfine\r', 'set\u202e it\nok  all')]);
    expect(lines).toContain('it is [2Jfine\n');
    expect(lines).toContain('-> set itok  all\n');
  });

  it('shows help, and exits with 2 on wrong usage', async () => {
    expect((await runDoctor(app.env, '--help')).out).toContain('npm run doctor');
    expect((await runDoctor(app.env, '--nonsense')).code).toBe(2);
    expect((await runDoctor(app.env, '--token', join(folder, 'none'))).code).toBe(2);
  });
});

describe('the settings', () => {
  it.each([
    ['PORT', { PORT: '3000x' }, 'PORT is not a port', 'whole number'],
    [
      'the client id',
      { OAUTH_APP_CLIENT_ID: '' },
      'OAUTH_APP_CLIENT_ID is not set',
      'client id of',
    ],
    ['BASE_URL', { BASE_URL: 'https://a.example/x' }, 'BASE_URL is not an', 'host and'],
  ])('give one problem for a fault in %s', async (_, changed, said, change) => {
    const { findings } = await diagnose({ ...app.env, ...changed });
    expect(findings).toEqual([
      problem('settings', expect.stringContaining(said), expect.stringContaining(change)),
    ]);
  });

  it('give a problem for each of several faults', async () => {
    const { found, findings } = await diagnose({ ...app.env, PORT: 'x', LOG_LEVEL: 'loud' });
    expect(found('settings')?.change).toMatch(/^PORT: set /);
    expect(findings.map(({ status }) => status)).toEqual(['problem', 'problem']);
  });

  it('include a .env that cannot be used', async () => {
    const findings = await examine(() => {
      throw new ConfigError(['.env: is UTF-16; save it as UTF-8']);
    });
    expect(findings).toEqual([problem('settings', '.env is UTF-16', '.env: save it as UTF-8')]);
  });

  it('are reported when .env is a folder', async () => {
    await mkdir(join(folder, '.env'), { recursive: true });
    const { code, out } = await runDoctorAs({ cwd: folder }, app.env);
    expect(out).toContain('.env cannot be read (EISDIR)');
    expect(code).toBe(1);
  });

  it('may lack an AuthKit in development', async () => {
    const { code, found } = await runAsJson({ PORT: `${await freePort()}` });
    expect(found('issuer')?.found).toContain('the app starts its local AuthKit');
    expect(code).toBe(0);
  });
});

describe('API_AUDIENCE', () => {
  const other = { API_AUDIENCE: 'client_other' };

  it('is checked against a real access token', async () => {
    const { found } = await diagnose(app.env, tokens['access_token']);
    expect(found('audience')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('as in'),
    });
    const file = join(folder, 'token');
    await writeFile(file, `${tokens['access_token']}\n`);
    const { out } = await runDoctor({ ...app.env, ...other }, '--token', file);
    expect(out).toContain(`-> API_AUDIENCE=${app.authKit.environmentClientId}\n`);
    expect(out).not.toContain(tokens['access_token']);
  });

  it.each([
    ['for another audience', other, () => tokens['access_token'], /^API_AUDIENCE=client_/],
    ['that is an ID token', {}, () => tokens['id_token'], /access token/],
    ['that is an ID token with a jti', {}, () => unsigned(idTokenWithJti()), /access token/],
    ['that is a refresh token', {}, () => tokens['refresh_token'], /access token/],
    [
      'without an audience',
      {},
      () => unsigned({ iss: app.authKit.issuer, jti: 'a' }),
      /access token/,
    ],
    ['of another issuer', {}, () => unsigned({ iss: 'https://a.example' }), /^AUTHKIT_ISSUER=/],
  ])('is a problem with a token %s', async (_, changed, token, change) => {
    const { found } = await diagnose({ ...app.env, ...changed }, token());
    expect(found('audience')?.status).toBe('problem');
    expect(found('audience')?.change).toMatch(change);
  });

  it.each([
    ['missing', () => ''],
    ['the application’s client id', () => app.env['OAUTH_APP_CLIENT_ID'] ?? ''],
  ])('gives one warning when it is %s', async (_, audience) => {
    const { findings } = await diagnose({ ...app.env, API_AUDIENCE: audience() });
    const lines = findings.filter((line) => JSON.stringify(line).includes('API_AUDIENCE'));
    expect(lines).toEqual([
      expect.objectContaining({
        check: 'audience',
        status: 'warning',
        found: expect.stringMatching(/it refuses every call$/),
        change: expect.stringMatching(/^API_AUDIENCE=<the environment’s client id/),
      }),
    ]);
  });

  it('gives the warning even while the issuer is unreachable', async () => {
    const away = { AUTHKIT_ISSUER: `http://localhost:${await freePort()}`, API_AUDIENCE: '' };
    expect((await diagnose({ ...app.env, ...away })).found('audience')?.status).toBe('warning');
  });

  it('may be a resource indicator', async () => {
    const { found } = await diagnose({
      ...app.env,
      API_AUDIENCE: '',
      OAUTH_RESOURCE: 'https://api.example.com',
    });
    expect(found('audience')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('https://api.example.com'),
    });
  });
});

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
const unsigned = (claims: object) => `${encode({ alg: 'RS256' })}.${encode(claims)}.c2ln`;

const idTokenWithJti = () => ({
  iss: app.authKit.issuer,
  aud: app.env['OAUTH_APP_CLIENT_ID'],
  jti: 'a',
});
