// Rate limits per client address, for one instance and shared by several.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { callWith } from '../../support/app/bearer-app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn } from '../../support/browser/callback.ts';
import { startRedis } from '../../support/store/redis.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';
import { withParts } from '../../support/machine/with-parts.ts';

const LIMIT = '5';
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closing.splice(0).toReversed()) await close();
});

async function startLimited(env: Record<string, string> = {}, issuer?: SignInIssuer) {
  const own = issuer ?? (await startSignInIssuer());
  if (!issuer) closing.push(() => own.close());
  const app = await startTestApp({ env: { ...own.env, RATE_LIMIT: LIMIT, ...env } });
  closing.push(() => app.close());
  return { app, issuer: own };
}

/** The status of each of `count` requests to /login, each by a new browser. */
async function logins({ url }: TestApp, count: number, headers: Record<string, string> = {}) {
  const statuses: number[] = [];
  for (let at = 0; at < count; at += 1) {
    statuses.push((await new Browser().get(`${url}/login`, { headers })).status);
  }
  return statuses;
}

const OK5 = [302, 302, 302, 302, 302];

describe('the sign-in limit', () => {
  it('counts /login and /callback together', async () => {
    const { app } = await startLimited();
    expect(await logins(app, 3)).toEqual([302, 302, 302]);
    const { status } = await new Browser().get(`${app.url}/callback`);
    expect([status, ...(await logins(app, 2))]).toEqual([400, 302, 429]);
    expect((await new Browser().get(`${app.url}/callback?code=a&state=b`)).status).toBe(429);
    // Other pages are not limited.
    expect((await new Browser().get(app.url)).status).toBe(200);
  });

  it('responds with 429 and Retry-After, as a page or as JSON', async () => {
    const { app } = await startLimited();
    await logins(app, 5);
    const page = await new Browser().get(`${app.url}/login`);
    expect([page.status, codeOn(page)]).toEqual([429, 'rate_limited']);
    const { status, headers, body } = await new Browser().fetch(`${app.url}/callback`);
    expect([status, JSON.parse(body)]).toMatchObject([429, { error: 'rate_limited' }]);
    for (const seen of [page.headers, headers]) {
      expect(Number(seen['retry-after'])).toBeGreaterThan(0);
      expect(seen['cache-control']).toBe('no-store');
    }
  });

  it('ends after a minute', async () => {
    const { app } = await startLimited();
    expect(await logins(app, 6)).toEqual([...OK5, 429]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    expect(await logins(app, 1)).toEqual([302]);
    vi.useRealTimers();
  });

  it('is off with RATE_LIMIT=0', async () => {
    const { app } = await startLimited({ RATE_LIMIT: '0' });
    expect(new Set(await logins(app, 200))).toEqual(new Set([302]));
  });

  it('counts by the address that a trusted proxy names, and no other', async () => {
    const { app } = await startLimited();
    // Without TRUST_PROXY any client could claim a new address each time.
    for (let at = 0; at < 5; at += 1) await logins(app, 1, { 'x-forwarded-for': `10.0.0.${at}` });
    expect(await logins(app, 1, { 'x-forwarded-for': '10.0.0.9' })).toEqual([429]);

    await app.restart({ TRUST_PROXY: '1' });
    expect(await logins(app, 6, { 'x-forwarded-for': '10.0.0.1' })).toEqual([...OK5, 429]);
    expect(await logins(app, 1, { 'x-forwarded-for': '10.0.0.2' })).toEqual([302]);
    // The proxy appends the address it saw; a client's claims are to the left of it.
    expect(await logins(app, 1, { 'x-forwarded-for': '10.9.9.9, 10.0.0.1' })).toEqual([429]);
    // All addresses of one IPv6 network count as one visitor.
    expect(await logins(app, 6, { 'x-forwarded-for': '2001:db8::1' })).toEqual([...OK5, 429]);
    expect(await logins(app, 1, { 'x-forwarded-for': '2001:db8::2' })).toEqual([429]);
  });
});

describe('the API limit', () => {
  it('counts refused tokens, and never refuses a good one', async () => {
    const { app, issuer } = await startLimited();
    const good = await issuer.sign({ aud: issuer.env['API_AUDIENCE'] });
    const bad = await issuer.sign({ aud: 'another' });
    const statuses: number[] = [];
    for (let at = 0; at < 7; at += 1) {
      statuses.push((await callWith(`${app.url}/api/me`, bad)).status);
      statuses.push((await callWith(`${app.url}/api/me`, good)).status);
    }
    const refused = statuses.filter((_status, at) => at % 2 === 0);
    expect(refused).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(new Set(statuses.filter((_status, at) => at % 2 === 1))).toEqual(new Set([200]));

    const { headers, body } = await callWith(`${app.url}/api/me`, bad);
    expect(headers).toMatchObject({ 'retry-after': '60', 'cache-control': 'no-store' });
    expect(body).toMatchObject({ error: 'rate_limited' });
    // Sign-ins are counted separately, and calls without a token are not counted.
    expect(await logins(app, 5)).toEqual(OK5);
    expect((await fetch(`${app.url}/api/me`)).status).toBe(401);
  });
});

async function startIntrospecting(env: Record<string, string> = {}) {
  const issuer = await startSignInIssuer();
  closing.push(() => issuer.close());
  issuer.vary.metadata = { introspection_endpoint: `${issuer.url}/oauth2/introspection` };
  issuer.introspect = ({ jti }) => ({ active: !jti?.startsWith('revoked') });
  const { app } = await startLimited(env, issuer);
  return { app, issuer };
}
const active = (app: TestApp, token: string) => callWith(`${app.url}/api/me/active`, token);
/** The status of each of `count` calls, with valid tokens that are revoked. */
async function revoked(app: TestApp, issuer: SignInIssuer, count: number) {
  const statuses: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const jti = `revoked ${at} of ${count}`;
    statuses.push((await active(app, await tokenFor(issuer, { jti }))).status);
  }
  return statuses;
}
const tokenFor = (issuer: SignInIssuer, claims = {}) =>
  issuer.sign({ aud: issuer.env['API_AUDIENCE'], ...claims });

describe('the introspection limit', () => {
  it('stops introspection for an address over it, even of a good token', async () => {
    const { app, issuer } = await startIntrospecting();
    expect(await revoked(app, issuer, 8)).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    expect(issuer.introspections).toHaveLength(5);

    const good = await tokenFor(issuer);
    const { status, headers, body } = await active(app, good);
    expect([status, body]).toMatchObject([429, { error: 'rate_limited' }]);
    expect(headers).toMatchObject({ 'retry-after': '60', 'cache-control': 'no-store' });
    expect(issuer.introspections).toHaveLength(5);
    // Checks without introspection go on.
    expect((await callWith(`${app.url}/api/me`, good)).status).toBe(200);
    expect((await fetch(`${app.url}/api/me/active`)).status).toBe(401);
  });

  it('counts tokens that were refused without introspection', async () => {
    const { app, issuer } = await startIntrospecting();
    for (let at = 0; at < 5; at += 1) await callWith(`${app.url}/api/me`, 'no.to.ken');
    expect((await active(app, await tokenFor(issuer))).status).toBe(429);
    expect(issuer.introspections).toEqual([]);
  });

  it('counts no good token, and ends after a minute', async () => {
    const { app, issuer } = await startIntrospecting();
    const good = await tokenFor(issuer, { exp: 9_999_999_999 });
    for (let at = 0; at < 7; at += 1) expect((await active(app, good)).status).toBe(200);
    await revoked(app, issuer, 5);
    expect((await active(app, good)).status).toBe(429);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    expect((await active(app, good)).status).toBe(200);
    vi.useRealTimers();
  });

  it('is off with RATE_LIMIT=0', async () => {
    const { app, issuer } = await startIntrospecting({ RATE_LIMIT: '0' });
    expect(new Set(await revoked(app, issuer, 8))).toEqual(new Set([401]));
    expect(issuer.introspections).toHaveLength(8);
  });

  withParts('redis-server').it(
    'is shared by instances through Redis, and off while Redis is silent',
    async () => {
      const redis = await startRedis();
      closing.push(() => redis.close());
      const { app: one, issuer } = await startIntrospecting({ REDIS_URL: redis.url });
      const { app: two } = await startLimited({ REDIS_URL: redis.url }, issuer);
      const good = await tokenFor(issuer);
      expect((await active(two, good)).status).toBe(200);
      await revoked(one, issuer, 5);
      issuer.introspections.splice(0);
      expect((await active(two, good)).status).toBe(429);
      expect(issuer.introspections).toEqual([]);
      redis.pause();
      expect((await active(two, good)).status).toBe(200);
      redis.resume();
    },
  );
});

withParts('redis-server').describe('a limit in Redis', () => {
  it('is shared by the instances, and its keys expire', async () => {
    const redis = await startRedis();
    closing.push(() => redis.close());
    const { app: one, issuer } = await startLimited({ REDIS_URL: redis.url });
    const { app: two } = await startLimited({ REDIS_URL: redis.url }, issuer);
    expect(await logins(one, 3)).toEqual([302, 302, 302]);
    expect(await logins(two, 3)).toEqual([302, 302, 429]);
    expect(await logins(one, 1)).toEqual([429]);
    const bad = await issuer.sign({ aud: 'another' });
    for (let at = 0; at < 5; at += 1) await callWith(`${one.url}/api/me`, bad);
    expect((await callWith(`${two.url}/api/me`, bad)).status).toBe(429);

    const keys = (await redis.command('KEYS limit:*')).match(/limit:\S+/g) ?? [];
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(await redis.command(`TTL ${key}`)).toMatch(/^:[1-6]?\d\r/);
  });

  it('is off, without delay, while Redis is down, and the log keeps one line per event', async () => {
    const output = vi.spyOn(console, 'error').mockReturnValue(undefined);
    const warnings = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    const redis = await startRedis();
    closing.push(() => redis.close());
    const { app } = await startLimited({ REDIS_URL: redis.url });
    await logins(app, 4);
    await redis.stop();
    expect(new Set(await logins(app, 12))).toEqual(new Set([302]));
    await redis.start();
    await vi.waitFor(async () => expect(await logins(app, 6)).toContain(429), 10_000);

    redis.pause();
    const startedAt = performance.now();
    expect(await logins(app, 1)).toEqual([302]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    redis.resume();
    expect([output.mock.calls, warnings.mock.calls]).toEqual([[], []]);
    const told = app.log.filter(({ event }) => event === 'store_unreachable');
    expect(told.length).toBeLessThanOrEqual(3);
  });

  it('is off while Redis is down at the start, and begins when it is up', async () => {
    const redis = await startRedis();
    closing.push(() => redis.close());
    await redis.stop();
    const { app } = await startLimited({ REDIS_URL: redis.url });
    expect(new Set(await logins(app, 12))).toEqual(new Set([302]));
    await redis.start();
    await vi.waitFor(async () => expect(await logins(app, 6)).toContain(429), 10_000);
  });
});
