// The doctor finds planted faults in the application's settings at the local AuthKit.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsFor, startTestApp, type TestApp } from '../../support/app/app.ts';
import { changedMetadata, createServers, diagnose } from '../../support/app/doctor.ts';

let app: TestApp;
const servers = createServers();

beforeAll(async () => {
  app = await startTestApp({ authKit: { resources: ['https://api.example.com'] } });
});
afterAll(async () => {
  servers.close();
  await app.close();
});

type Env = Record<string, string>;

const UNKNOWN: Env = { OAUTH_APP_CLIENT_ID: 'client_unknown' };
const UNREGISTERED: Env = { BASE_URL: 'http://localhost:1' };
const WRONG_SECRET: Env = { OAUTH_APP_CLIENT_SECRET: 'b'.repeat(64) };

const find = (changed: Env) => diagnose({ ...app.env, ...changed });

describe('at the local AuthKit the doctor', () => {
  it('names only OAUTH_APP_CLIENT_ID for an unknown client id', async () => {
    for (const more of [{}, UNREGISTERED, WRONG_SECRET, { OAUTH_APP_CLIENT_SECRET: '' }]) {
      const { found, problems } = await find({ ...UNKNOWN, ...more });
      expect(problems).toEqual(['client id']);
      expect(found('client id')).toMatchObject({
        found: 'unknown to the issuer',
        change: expect.stringMatching(/^OAUTH_APP_CLIENT_ID=(?!.*BASE_URL)/),
      });
    }
  });

  it('names BASE_URL and the URI to register for an unregistered redirect URI', async () => {
    for (const port of [1, 65_000]) {
      const { found, problems } = await find({ BASE_URL: `http://localhost:${port}` });
      expect(problems).toEqual(['redirect URI']);
      expect(found('client id')?.status).toBe('ok');
      expect(found('credentials')?.status).toBe('ok');
      const { change } = found('redirect URI') ?? {};
      expect(change).toMatch(/^BASE_URL=(?!.*OAUTH_APP_CLIENT_ID)/);
      expect(change).toContain(`--redirect-uri http://localhost:${port}/callback`);
    }
  });

  it('finds an unregistered redirect URI and a wrong secret together', async () => {
    const { problems } = await find({ ...UNREGISTERED, ...WRONG_SECRET });
    expect(problems).toEqual(['redirect URI', 'credentials']);
  });

  it('finds the environment’s client id in place of the application’s', async () => {
    const { problems, findings } = await find({
      OAUTH_APP_CLIENT_ID: app.authKit.environmentClientId,
    });
    expect(problems).toEqual(['client id']);
    expect(findings.find(({ check }) => check === 'client id')).toMatchObject({
      found: expect.stringMatching(/API_AUDIENCE has it too, so it is the environment’s$/),
      change: expect.stringMatching(/^OAUTH_APP_CLIENT_ID=.*, not of the environment>$/),
    });
    // API_AUDIENCE is right: no warning may point to it.
    const warnings = findings.filter(({ status }) => status === 'warning');
    expect(warnings.filter(({ check }) => check !== 'app')).toEqual([]);
  });

  it('finds a webhook secret that the running app does not have', async () => {
    const running = await startTestApp({ webhooks: true });
    try {
      expect((await diagnose(running.env)).found('webhooks')?.status).toBe('ok');
      const changed = { ...running.env, WORKOS_WEBHOOK_SECRET: 'another-secret-of-the-tests-0123' };
      expect((await diagnose(changed)).found('webhooks')).toMatchObject({
        status: 'problem',
        found: expect.stringMatching(/HTTP 401$/),
        change: expect.stringMatching(/^restart the app/),
      });
    } finally {
      await running.close();
    }
  });

  it('says to restart an app that runs with the previous client id', async () => {
    const { OAUTH_APP_CLIENT_ID = '' } = settingsFor(app.authKit, 'publicApp');
    const { found } = await find({ OAUTH_APP_CLIENT_ID, OAUTH_APP_CLIENT_SECRET: '' });
    expect(found('app')).toMatchObject({
      status: 'warning',
      found: `the running app has OAUTH_APP_CLIENT_ID ${app.env['OAUTH_APP_CLIENT_ID']}, the doctor has another`,
      change: expect.stringMatching(/^restart the app/),
    });
  });

  it.each([
    [
      'a wrong secret',
      WRONG_SECRET,
      /^the secret is refused, by client_secret_post and by client_secret_basic$/,
      /^OAUTH_APP_CLIENT_SECRET=<a new/,
    ],
    [
      'another kind of key',
      { OAUTH_APP_CLIENT_SECRET: 'sk_test_abc' },
      /not look like a client secret/,
      /=<a new/,
    ],
    ['no secret', { OAUTH_APP_CLIENT_SECRET: '' }, /has a secret/, /^OAUTH_APP_CLIENT_SECRET=<one/],
  ])('finds %s', async (_, changed, said, change) => {
    const { found, problems } = await find(changed);
    expect(found('credentials')?.found).toMatch(said);
    expect(found('credentials')?.change).toMatch(change);
    expect(problems).toEqual(['credentials']);
  });

  it('accepts a Public application without a secret, and finds a secret it must not have', async () => {
    const { OAUTH_APP_CLIENT_ID = '' } = settingsFor(app.authKit, 'publicApp');
    const without = await find({ OAUTH_APP_CLIENT_ID, OAUTH_APP_CLIENT_SECRET: '' });
    expect(without.problems).toEqual([]);
    expect(without.found('credentials')?.found).toBe('accepted as a Public application');
    const withSecret = await find({ OAUTH_APP_CLIENT_ID });
    expect(withSecret.problems).toEqual(['credentials']);
    expect(withSecret.found('credentials')?.change).toBe('OAUTH_APP_CLIENT_SECRET: remove it');
    const { found, problems } = await find({ OAUTH_APP_CLIENT_ID, ...UNREGISTERED });
    expect(problems).toEqual(['redirect URI', 'credentials']);
    expect(found('client id')?.status).toBe('ok');
  });

  it('finds that a machine application has no redirect URI', async () => {
    const { clientId, clientSecret } = app.authKit.applications.machine;
    const { problems } = await find({
      OAUTH_APP_CLIENT_ID: clientId,
      OAUTH_APP_CLIENT_SECRET: clientSecret,
    });
    expect(problems).toContain('redirect URI');
  });

  it.each([
    ['a scope', { OAUTH_SCOPE: 'openid nonsense' }, 'scopes', /^OAUTH_SCOPE: request only/],
    ['a resource', { OAUTH_RESOURCE: 'https://a.example' }, 'resource', /^OAUTH_RESOURCE: /],
  ])('finds %s that AuthKit does not offer', async (_, changed, check, change) => {
    const { found, problems, findings } = await find(changed);
    expect(found(check)?.change).toMatch(change);
    expect(problems).toEqual([check]);
    expect(findings.filter((finding) => finding.check === check)).toHaveLength(1);
  });

  it('warns of scopes that bring no refresh token or that only some users get', async () => {
    const without = (await find({ OAUTH_SCOPE: 'openid' })).found('scopes');
    expect(without).toMatchObject({
      status: 'warning',
      change: 'OAUTH_SCOPE=openid offline_access',
    });
    const scope = 'openid offline_access posts:read';
    const permission = (await find({ OAUTH_SCOPE: scope })).found('scopes');
    expect(permission).toMatchObject({
      status: 'warning',
      found: expect.stringMatching(/^posts:read: dropped unless/),
    });
  });

  it('finds a built-in scope that the issuer does not support', async () => {
    const issuer = await servers.serve(
      changedMetadata(app, (metadata) => (metadata['scopes_supported'] = ['openid'])),
    );
    const scopes = (await find({ AUTHKIT_ISSUER: issuer })).found('scopes');
    expect(scopes).toMatchObject({
      status: 'problem',
      found:
        'not supported: profile email offline_access; without a refresh token, users must sign in again every five minutes',
    });
  });
});
