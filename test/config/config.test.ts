// Every setting unset, empty, valid and invalid; all problems are reported at once, without values.
import { describe, expect, it } from 'vitest';
import { ConfigError, parseConfig, settings, type Config } from '../../src/config/config.ts';

type Env = Record<string, string>;

const authKit = { AUTHKIT_ISSUER: 'https://forum.authkit.app', OAUTH_APP_CLIENT_ID: 'client_01' };
const secret = 'correct-horse-battery-staple-0123456789';
const production = {
  ...authKit,
  NODE_ENV: 'production',
  BASE_URL: 'https://support.example.com',
  SESSION_SECRET: secret,
};

function problemsOf(env: Env): string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const DEFAULTS = {
  production: false,
  port: 3000,
  baseUrl: new URL('http://localhost:3000'),
  scope: 'openid profile email offline_access',
  sessionDb: '.data/sessions.db',
  idleSeconds: 86_400,
  maxSeconds: 604_800,
  staleSeconds: 3_600,
  shutdownGraceSeconds: 0,
  rateLimit: 120,
  logLevel: 'info',
  warnings: [],
};

describe('an unset or empty setting', () => {
  it('takes its default', () => {
    expect(parseConfig({})).toEqual(DEFAULTS);
  });

  it.each(Object.keys(settings.shape))('%s takes its default when empty', (name) => {
    expect(parseConfig({ [name]: '' })).toEqual(DEFAULTS);
    expect(parseConfig({ [name]: '  ' })).toEqual(DEFAULTS);
  });
});

describe('a valid setting', () => {
  it.each<[Env, Partial<Config>]>([
    [authKit, { authKit: { issuer: new URL('https://forum.authkit.app'), clientId: 'client_01' } }],
    [
      { ...authKit, AUTHKIT_ISSUER: 'http://127.0.0.1:4000', OAUTH_APP_CLIENT_SECRET: 's' },
      {
        authKit: {
          issuer: new URL('http://127.0.0.1:4000'),
          clientId: 'client_01',
          clientSecret: 's',
        },
      },
    ],
    [
      {
        AUTHKIT_ISSUER: 'https://forum.authkit.app',
        OAUTH_APP_CLIENT_ID: 'client_01',
        OAUTH_APP_CLIENT_SECRET: 's',
        OAUTH_CLIENT_AUTH: 'client_secret_basic',
      },
      {
        authKit: {
          issuer: new URL('https://forum.authkit.app'),
          clientId: 'client_01',
          clientSecret: 's',
          clientAuthentication: 'client_secret_basic',
        },
      },
    ],
    [{ OAUTH_SCOPE: ' openid  posts:read' }, { scope: 'openid posts:read' }],
    [{ OAUTH_RESOURCE: 'https://api.example.com/v1' }, { resource: 'https://api.example.com/v1' }],
    [{ API_AUDIENCE: 'a, b ,,c' }, { apiAudience: ['a', 'b', 'c'] }],
    [{ BASE_URL: 'http://127.0.0.1:8080/' }, { baseUrl: new URL('http://127.0.0.1:8080') }],
    [{ PORT: '8080' }, { port: 8080, baseUrl: new URL('http://localhost:8080') }],
    [
      { SESSION_SECRET: 'the-newer-secret, the-older-secret' },
      { sessionSecrets: ['the-newer-secret', 'the-older-secret'] },
    ],
    [{ SESSION_DB: '/var/lib/app/s.db' }, { sessionDb: '/var/lib/app/s.db' }],
    [{ SESSION_IDLE_SECONDS: '600' }, { idleSeconds: 600 }],
    [{ SESSION_MAX_SECONDS: '3600' }, { maxSeconds: 3_600, idleSeconds: 3_600 }],
    [{ SESSION_STALE_SECONDS: '60' }, { staleSeconds: 60 }],
    [{ SHUTDOWN_GRACE_SECONDS: '300' }, { shutdownGraceSeconds: 300 }],
    [{ ...production, SHUTDOWN_GRACE_SECONDS: '0' }, { shutdownGraceSeconds: 0 }],
    [{ RATE_LIMIT: '0' }, { rateLimit: 0 }],
    [{ REDIS_URL: 'rediss://:pw@redis:6379/1' }, { redisUrl: 'rediss://:pw@redis:6379/1' }],
    [{ DATABASE_URL: 'postgres://db/app' }, { databaseUrl: 'postgres://db/app' }],
    [
      { DATABASE_URL: 'postgresql://a%25b:c%2Fd@db:5432/app?sslmode=require' },
      { databaseUrl: 'postgresql://a%25b:c%2Fd@db:5432/app?sslmode=require' },
    ],
    [
      { DATABASE_URL: 'postgres://user@%2Frun%2Fpostgresql/app' },
      { databaseUrl: 'postgres://user@%2Frun%2Fpostgresql/app' },
    ],
    [{ TRUST_PROXY: '1' }, { trustProxy: 1 }],
    [{ TRUST_PROXY: 'true' }, { trustProxy: true }],
    [{ TRUST_PROXY: 'false' }, { trustProxy: false }],
    [{ TRUST_PROXY: 'loopback, 10.0.0.0/8' }, { trustProxy: 'loopback, 10.0.0.0/8' }],
    [{ TRUST_PROXY: '192.0.2.1, fc00::/7' }, { trustProxy: '192.0.2.1, fc00::/7' }],
    [{ REDIS_URL: 'redis://a%25b:c%2Fd@redis' }, { redisUrl: 'redis://a%25b:c%2Fd@redis' }],
    [
      { HTTPS_PROXY: 'http://a:b%20c@proxy:3128' },
      { proxy: { url: 'http://a:b%20c@proxy:3128/', noProxy: '' } },
    ],
    [
      { https_proxy: 'https://one', HTTPS_PROXY: 'http://two', no_proxy: 'a.test', NO_PROXY: 'b' },
      { proxy: { url: 'https://one/', noProxy: 'a.test' } },
    ],
    [{ SESSION_DB: 'C:\\app\\sessions.db' }, { sessionDb: 'C:\\app\\sessions.db' }],
    [{ LOG_LEVEL: 'debug' }, { logLevel: 'debug' }],
    [production, { production: true, baseUrl: new URL('https://support.example.com') }],
    [production, { shutdownGraceSeconds: 5 }],
  ])('%j is accepted', (env, expected) => {
    expect(parseConfig(env)).toMatchObject(expected);
  });
});

describe('an invalid setting', () => {
  it.each<[string, string]>([
    ['AUTHKIT_ISSUER', 'forum.authkit.app'],
    ['AUTHKIT_ISSUER', 'http://forum.authkit.app'],
    ['AUTHKIT_ISSUER', 'http://127.0.0.1.evil.example'],
    ['AUTHKIT_ISSUER', 'ftp://localhost'],
    ['AUTHKIT_ISSUER', 'https://forum.authkit.app?a=b'],
    ['AUTHKIT_ISSUER', 'https://forum.authkit.app#a'],
    ['AUTHKIT_ISSUER', 'https://user:secret@forum.authkit.app'],
    ['OAUTH_CLIENT_AUTH', 'private_key_jwt'],
    ['OAUTH_SCOPE', 'profile email'],
    ['OAUTH_RESOURCE', '/api'],
    ['OAUTH_RESOURCE', 'https://api.example.com#part'],
    ['API_AUDIENCE', ' , '],
    ['API_AUDIENCE', '["client_01"]'],
    ['API_AUDIENCE', 'client_01,"client_02"'],
    ['BASE_URL', 'support.example.com'],
    ['BASE_URL', 'https://support.example.com/app'],
    ['BASE_URL', 'https://support.example.com?a'],
    ['BASE_URL', 'ftp://support.example.com'],
    ['PORT', '3000x'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '3e3'],
    ['SESSION_SECRET', ','],
    ['SESSION_SECRET', 'fifteen-letters'],
    ['SESSION_SECRET', `${secret},short`],
    ['SESSION_IDLE_SECONDS', '0'],
    ['SESSION_IDLE_SECONDS', '1h'],
    ['SESSION_IDLE_SECONDS', '604801'],
    ['SESSION_MAX_SECONDS', '0'],
    ['SESSION_MAX_SECONDS', '31536001'],
    ['SESSION_STALE_SECONDS', '0'],
    ['SESSION_STALE_SECONDS', '1h'],
    ['SESSION_STALE_SECONDS', '31536001'],
    ['SHUTDOWN_GRACE_SECONDS', '301'],
    ['SHUTDOWN_GRACE_SECONDS', '-1'],
    ['RATE_LIMIT', 'none'],
    ['RATE_LIMIT', '1.5'],
    ['REDIS_URL', 'redis'],
    ['REDIS_URL', 'http://redis:6379'],
    ['REDIS_URL', 'redis://:50%@redis:6379'],
    ['REDIS_URL', 'redis://a%zz:pw@redis:6379'],
    ['REDIS_URL', 'redis://redis:6379/sessions'],
    ['HTTPS_PROXY', '10.0.0.1:3128'],
    ['HTTPS_PROXY', 'proxy.example.com:3128'],
    ['HTTPS_PROXY', 'socks5://proxy:1080'],
    ['HTTPS_PROXY', 'http://user:pa#ss@proxy:3128'],
    ['HTTPS_PROXY', 'http://user:12/ss@proxy:3128'],
    ['HTTPS_PROXY', 'http://user:50%@proxy:3128'],
    ['HTTPS_PROXY', 'http://proxy:3128/path'],
    ['DATABASE_URL', 'database'],
    ['DATABASE_URL', 'mysql://db:3306/app'],
    ['DATABASE_URL', 'postgres://user:50%@db/app'],
    ['DATABASE_URL', 'postgres://user:a%zz@db/app'],
    ['DATABASE_URL', 'postgres://db/100%'],
    ['DATABASE_URL', 'postgres://db:5432'],
    ['DATABASE_URL', 'postgres://db:5432/'],
    ['DATABASE_URL', 'postgres://one,two/app'],
    ['DATABASE_URL', 'postgres://one:5432,two:5432/app'],
    ['DATABASE_URL', 'postgres://db/app?target_session_attrs=read-write'],
    ['DATABASE_URL', 'postgres://db/app?sslmode=prefer'],
    ['DATABASE_URL', 'postgres://db/app?sslmode='],
    ['REDIS_URL', 'redis+sentinel://one:26379,two:26379'],
    ['REDIS_URL', 'redis+cluster://one:6379,two:6379/1'],
    ['SESSION_DB', ':memory:'],
    ['SESSION_DB', 'file:sessions.db'],
    ['SESSION_DB', 'libsql://host.example'],
    ['TRUST_PROXY', 'yes'],
    ['TRUST_PROXY', '10.0.0.0/8, proxy.example.com'],
    ['TRUST_PROXY', '-1'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '10.0.0.0/0'],
    ['TRUST_PROXY', 'fc00::/129'],
    ['TRUST_PROXY', '10.0.0.0/8/8'],
    ['LOG_LEVEL', 'loud'],
    ['NODE_ENV', 'staging'],
  ])('%s=%s is reported in one line that says what to set', (name, value) => {
    const problems = problemsOf({
      OAUTH_APP_CLIENT_ID: 'c',
      AUTHKIT_ISSUER: 'https://a.b',
      [name]: value,
    });
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: .+; (?:set|add) .+`))]);
  });
});

describe('contradictory settings', () => {
  it.each<[Env, string]>([
    [{ AUTHKIT_ISSUER: 'https://a.b' }, 'OAUTH_APP_CLIENT_ID'],
    [{ OAUTH_APP_CLIENT_ID: 'c' }, 'AUTHKIT_ISSUER'],
    [{ OAUTH_APP_CLIENT_SECRET: 's' }, 'OAUTH_APP_CLIENT_ID'],
    [{ OAUTH_CLIENT_AUTH: 'client_secret_post' }, 'OAUTH_CLIENT_AUTH'],
    [{ SESSION_IDLE_SECONDS: '700', SESSION_MAX_SECONDS: '600' }, 'SESSION_IDLE_SECONDS'],
    [{ REDIS_URL: 'redis://redis', DATABASE_URL: 'postgres://db/app' }, 'DATABASE_URL'],
    [{ ...production, AUTHKIT_ISSUER: '' }, 'AUTHKIT_ISSUER'],
    [{ ...production, OAUTH_APP_CLIENT_ID: '' }, 'OAUTH_APP_CLIENT_ID'],
    [{ ...production, BASE_URL: '' }, 'BASE_URL'],
    [{ ...production, BASE_URL: 'http://support.example.com' }, 'BASE_URL'],
    [{ ...production, SESSION_SECRET: '' }, 'SESSION_SECRET'],
    [{ ...production, SESSION_SECRET: 'no-32-characters-long' }, 'SESSION_SECRET'],
    [{ ...production, SESSION_SECRET: 'a'.repeat(64) }, 'SESSION_SECRET'],
    [{ ...production, SESSION_SECRET: `${secret},the-older-secret` }, 'SESSION_SECRET'],
    [{ ...production, SESSION_SECRET: 'abcdefghijkl'.repeat(4) }, 'SESSION_SECRET'],
    [{ ...production, SESSION_SECRET: `${'0123456789abcdef'.repeat(2)}01234` }, 'SESSION_SECRET'],
  ])('%j are reported in a line that starts with %s', (env, name) => {
    expect(problemsOf(env)).toEqual([expect.stringMatching(new RegExp(`^${name}: .+; .+`))]);
  });

  it('do not include a weak secret and http in development', () => {
    expect(problemsOf({ SESSION_SECRET: 'weak-but-16-long', BASE_URL: 'http://app.test' })).toEqual(
      [],
    );
  });
});

it('an empty lower-case name switches the proxy off', () => {
  expect(parseConfig({ https_proxy: '', HTTPS_PROXY: 'http://proxy:3128' })).toEqual(DEFAULTS);
});

it('parseConfig reports every problem at once and quotes no value', () => {
  const env = {
    NODE_ENV: 'production',
    AUTHKIT_ISSUER: 'http://quoted.example',
    OAUTH_APP_CLIENT_SECRET: 'quoted-secret',
    SESSION_SECRET: 'quoted',
    REDIS_URL: 'quoted://user:quoted@host',
    HTTPS_PROXY: 'http://user:quoted@host/quoted',
    DATABASE_URL: 'postgres://user:quoted@host',
    BASE_URL: 'http://quoted.example',
    PORT: 'quoted',
    LOG_LEVEL: 'quoted',
  };
  const problems = problemsOf(env);
  expect(new Set(problems.map((line) => line.split(':')[0]))).toEqual(
    new Set([
      'AUTHKIT_ISSUER',
      'OAUTH_APP_CLIENT_ID',
      'SESSION_SECRET',
      'REDIS_URL',
      'HTTPS_PROXY',
      'DATABASE_URL',
      'BASE_URL',
      'PORT',
      'LOG_LEVEL',
    ]),
  );
  expect(problems.join()).not.toContain('quoted');
});

it('parseConfig warns of settings that are allowed but unfit for real users', () => {
  const { warnings } = parseConfig({ ...production, BASE_URL: 'http://localhost:3000' });
  expect(warnings).toEqual([
    expect.stringMatching(/^BASE_URL: http on loopback/),
    expect.stringMatching(/^API_AUDIENCE: not set/),
  ]);
});

it.each([
  ['client_01', /^API_AUDIENCE: contains OAUTH_APP_CLIENT_ID/],
  ['client_environment, client_01', /^API_AUDIENCE: contains OAUTH_APP_CLIENT_ID/],
  ['client_environment', undefined],
  ['client_012', undefined],
])('parseConfig checks API_AUDIENCE=%s for the application’s client id', (audience, warning) => {
  const { warnings } = parseConfig({ ...authKit, API_AUDIENCE: audience });
  expect(warnings).toEqual(warning ? [expect.stringMatching(warning)] : []);
});

it.each(['true', '99', '0.0.0.0/1,128.0.0.0/1', '8.0.0.0/7', '::/1', 'loopback, e000::/3'])(
  'refuses TRUST_PROXY=%s in production, which lets every sender name its own address',
  (trusted) => {
    const problem = expect.stringMatching(/^TRUST_PROXY: trusts every sender .*; set /);
    expect(problemsOf({ ...production, TRUST_PROXY: trusted })).toEqual([problem]);
    expect(problemsOf({ TRUST_PROXY: trusted })).toEqual([]);
  },
);

it('names everything that production requires at once', () => {
  const names = problemsOf({ NODE_ENV: 'production' }).map((line) => line.split(':')[0] ?? '');
  expect(names.toSorted()).toEqual([
    'AUTHKIT_ISSUER',
    'BASE_URL',
    'OAUTH_APP_CLIENT_ID',
    'SESSION_SECRET',
  ]);
});

describe('what docker --env-file leaves in a value', () => {
  it('is removed if it is whitespace around it, or the carriage return of a Windows file', () => {
    const { authKit: found, sessionSecrets } = parseConfig({
      AUTHKIT_ISSUER: ' https://forum.authkit.app\r',
      OAUTH_APP_CLIENT_ID: 'client_01\r',
      OAUTH_APP_CLIENT_SECRET: '\tclient-secret \r\n',
      SESSION_SECRET: `${secret}\r`,
    });
    expect(found).toMatchObject({ clientId: 'client_01', clientSecret: 'client-secret' });
    expect(sessionSecrets).toEqual([secret]);
  });

  it.each(Object.keys(settings.shape))('is refused if it is quotes around %s', (name) => {
    for (const quote of ['"', "'", '`']) {
      const env = { ...authKit, [name]: `${quote}quoted${quote}\r` };
      expect(problemsOf(env)).toEqual([`${name}: is in quotes; set the value without them`]);
    }
  });
});

it.each([
  ['redis://cache.example.com:6379', true],
  ['redis://redis', true],
  ['rediss://cache.example.com', false],
  ['redis://127.0.0.1:6379', false],
  ['redis://localhost', false],
  ['redis://[::1]:6379', false],
  ['redis+sentinel://localhost,sentinel.example.com/mymaster', true],
  ['rediss+sentinel://sentinel.example.com/mymaster', false],
  ['redis+cluster://127.0.0.1:7000,[::1]:7001', false],
])('parseConfig in production warns of REDIS_URL=%s without TLS: %s', (url, isWarned) => {
  const { warnings } = parseConfig({
    ...production,
    API_AUDIENCE: 'client_environment',
    REDIS_URL: url,
  });
  expect(warnings).toEqual(isWarned ? [expect.stringMatching(/^REDIS_URL: .* no TLS/)] : []);
});

it.each([
  ['postgres://db.example.com/app', true],
  ['postgresql://db.example.com/app?sslmode=disable', true],
  ['postgres://db.example.com/app?sslmode=verify-full', false],
  ['postgres://db.example.com/app?sslmode=require', false],
  ['postgres://127.0.0.1:5432/app', false],
  ['postgres://localhost/app', false],
  ['postgres://[::1]/app', false],
  ['postgres:///app?host=/run/postgresql', false],
  ['postgres://%2Frun%2Fpostgresql/app', false],
])('parseConfig in production warns of DATABASE_URL=%s without TLS: %s', (url, isWarned) => {
  const { warnings } = parseConfig({
    ...production,
    API_AUDIENCE: 'client_environment',
    DATABASE_URL: url,
  });
  expect(warnings).toEqual(isWarned ? [expect.stringMatching(/^DATABASE_URL: .* TLS/)] : []);
});

it('refuses a weak secret with an https BASE_URL, whatever NODE_ENV is', () => {
  const env = { BASE_URL: 'https://app.example.com', SESSION_SECRET: 'short-but-16-long' };
  expect(problemsOf(env)).toEqual([expect.stringMatching(/^SESSION_SECRET: is weak/)]);
});
