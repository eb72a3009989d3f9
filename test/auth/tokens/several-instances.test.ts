// Several processes share one session. Each may refresh its tokens, and a refresh token works only
// once.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser } from '../../support/browser/browser.ts';
import {
  countByStatus,
  signInAt,
  startFleet,
  times,
  until,
  visit,
  type Fleet,
} from '../../support/app/instances.ts';
import { startEngine, type TestEngine } from '../../support/store/engines.ts';
import { startRedis, type TestRedis } from '../../support/store/redis.ts';
import { availableEngines } from '../../support/machine/with-parts.ts';

const SECONDS = 1_000;
const MINUTES = 60 * SECONDS;
const NOTICE = 'AuthKit cannot be reached';

let fleet: Fleet;

const exchanges = () => fleet.authKit.control.requests().token;

/** A browser whose access token is due, and counters at zero. */
async function browserWithDueToken(): Promise<Browser> {
  const browser = await signInAt(fleet.url);
  await fleet.pass(4.5 * MINUTES);
  fleet.authKit.control.reset();
  return browser;
}

/** Another browser with the cookies that this one has now. */
function copyOf(browser: Browser): Browser {
  const copy = new Browser();
  copy.jar.copyFrom(browser.jar);
  return copy;
}

/** Whether each of the two instances still finds a session for these cookies. */
async function isSignedIn(browser: Browser): Promise<boolean[]> {
  const pages = times(2, (index) => visit(browser, fleet, index, '/profile'));
  return (await Promise.all(pages)).map(({ status }) => status === 200);
}

function signOut(browser: Browser, index: number) {
  const headers = { 'sec-fetch-site': 'same-origin', host: new URL(fleet.url).host };
  const url = `http://localhost:${fleet.instances[index]?.port}/logout`;
  return browser.post(url, {}, { from: fleet.url, headers });
}

/** One node with all slots; a command over keys in two slots fails, as in any cluster. */
async function startRedisCluster(): Promise<TestRedis> {
  const server = await startRedis({ args: ['--cluster-enabled', 'yes'] });
  await server.command('CLUSTER ADDSLOTSRANGE 0 16383');
  await until(async () => (await server.command('CLUSTER INFO')).includes('cluster_state:ok'));
  return server;
}

const STORES = {
  SQLite: 'one SQLite file',
  Redis: 'Redis in cluster mode',
  PostgreSQL: 'PostgreSQL',
  Valkey: 'Valkey',
};

describe.each(availableEngines().map((engine) => [STORES[engine], engine] as const))(
  'two instances on %s',
  (_name, engine) => {
    let server: TestEngine | undefined;
    let redis: TestRedis | undefined;
    beforeAll(async () => {
      redis = engine === 'Redis' ? await startRedisCluster() : undefined;
      server = redis ? undefined : await startEngine(engine);
      fleet = await startFleet({ env: redis ? { REDIS_URL: redis.url } : { ...server?.env } });
    });
    beforeEach(() => fleet.authKit.control.reset());
    afterAll(async () => {
      await fleet.close();
      await redis?.close();
      await server?.close();
    });

    it('refresh once for 50 parallel requests when the access token is due', async () => {
      const browser = await browserWithDueToken();
      const pages = await Promise.all(times(50, () => browser.get(`${fleet.url}/profile`)));
      expect(countByStatus(pages)).toEqual({ 200: 50 });
      expect(pages.filter(({ body }) => body.includes(NOTICE))).toEqual([]);
      expect(exchanges()).toBe(1);
    });

    it.each([
      ['a lost response', { kind: 'garbage', afterwards: true }],
      ['a cut connection', { kind: 'cut' }],
      ['status 500', { kind: 'status', status: 500 }],
      ['status 429', { kind: 'status', status: 429, retryAfter: 2 }],
      ['a garbage response', { kind: 'garbage' }],
    ] as const)('keep the session after %s from AuthKit', async (_, fault) => {
      const browser = await browserWithDueToken();
      fleet.authKit.control.fault({ endpoint: 'token', ...fault });
      const startedAt = performance.now();
      const pages = await Promise.all(times(20, () => browser.get(`${fleet.url}/profile`)));
      expect(countByStatus(pages)).toEqual({ 200: 20 });
      expect(pages.every(({ body }) => body.includes(NOTICE))).toBe(true);
      // One refresh for each instance, then both wait: half a second at least, and longer each time.
      const waits = Math.floor((performance.now() - startedAt) / 500);
      expect(exchanges()).toBeLessThanOrEqual(2 * (1 + Math.min(waits, 3)));
      fleet.authKit.control.reset();
      // AuthKit accepts a spent refresh token again for ten seconds only.
      await fleet.pass('afterwards' in fault ? 2 * SECONDS : 31 * SECONDS);
      const after = await browser.get(`${fleet.url}/profile`);
      expect([after.status, after.body.includes(NOTICE)]).toEqual([200, false]);
      expect(exchanges()).toBe(1);
    });

    it('refresh on one instance when the other is killed during its refresh', async () => {
      const browser = await browserWithDueToken();
      fleet.authKit.control.fault({ endpoint: 'token', kind: 'slow', seconds: 1, requests: 1 });
      const lost = visit(browser, fleet, 0, '/profile').catch(() => 'no response');
      await until(() => exchanges() === 1);
      await fleet.instances[0]?.stop('SIGKILL');
      expect(await lost).toBe('no response');

      const killedAt = performance.now();
      const pages = await Promise.all(times(20, () => visit(browser, fleet, 1, '/profile')));
      const waited = performance.now() - killedAt;
      expect(countByStatus(pages)).toEqual({ 200: 20 });
      // Five seconds of lease, one refresh, and time for a busy machine.
      expect(waited).toBeLessThan(8 * SECONDS);
      expect(exchanges()).toBe(2);

      await fleet.replace(0);
      await fleet.pass(4.5 * MINUTES);
      expect(await isSignedIn(browser)).toEqual([true, true]);
      expect(exchanges()).toBe(3);
    });

    it('do not let a slow request write old tokens back', async () => {
      const browser = await signInAt(fleet.url);
      await fleet.pass(2 * MINUTES);
      fleet.authKit.control.reset();
      fleet.authKit.control.fault({ endpoint: 'introspection', kind: 'slow', seconds: 1 });
      // The request reads the session now, and notes its use when it ends.
      const slow = visit(browser, fleet, 0, '/moderation');
      await until(() => fleet.authKit.control.requests().introspection === 1);
      await fleet.pass(2.5 * MINUTES);
      expect((await visit(browser, fleet, 1, '/profile')).status).toBe(200);
      expect(exchanges()).toBe(1);
      expect((await slow).status).toBe(200);

      // The old tokens would be refused: their refresh token was spent minutes ago.
      await fleet.pass(4.5 * MINUTES);
      expect(await isSignedIn(browser)).toEqual([true, true]);
      expect(exchanges()).toBe(2);
    });

    it('do not let a slow request bring a signed-out session back', async () => {
      await fleet.replace(0);
      const browser = await signInAt(fleet.url);
      const slowBrowser = copyOf(browser);
      await fleet.pass(2 * MINUTES);
      // The new instance has not fetched AuthKit's keys yet, so its page waits for them.
      fleet.authKit.control.reset();
      fleet.authKit.control.fault({ endpoint: 'jwks', kind: 'slow', seconds: 1 });
      const slow = visit(slowBrowser, fleet, 0, '/api-call');
      await until(() => fleet.authKit.control.requests().jwks === 1);
      expect((await signOut(browser, 1)).location?.pathname).toBe('/signed-out');
      expect((await slow).status).toBe(200);
      expect(await isSignedIn(slowBrowser)).toEqual([false, false]);
    });

    it('let a sign-out win over a running refresh, and revoke the new refresh token', async () => {
      const browser = await browserWithDueToken();
      const other = copyOf(browser);
      const { control } = fleet.authKit;
      control.fault({ endpoint: 'token', kind: 'slow', seconds: 1, requests: 1 });
      // The first revocation fails, so that the exchange still succeeds at AuthKit.
      control.fault({ endpoint: 'revocation', kind: 'status', status: 503, requests: 1 });
      const inFlight = visit(other, fleet, 0, '/profile');
      await until(() => exchanges() === 1);
      await signOut(browser, 1);
      expect((await inFlight).location?.pathname).toBe('/login');
      expect(await isSignedIn(copyOf(browser))).toEqual([false, false]);
      await until(() => control.requests().revocation === 2);
      expect(fleet.log.filter(({ event }) => event === 'revocation_failed')).toHaveLength(1);
    });
  },
);

const servers = availableEngines().filter((engine) => engine !== 'SQLite');

describe.each(servers)('two instances on %s whose clocks are 5 s apart', (engine) => {
  let server: TestEngine | undefined;
  beforeAll(async () => {
    server = await startEngine(engine);
    fleet = await startFleet({ env: { ...server?.env }, skew: [0, 5 * SECONDS] });
  });
  afterAll(async () => {
    await fleet.close();
    await server?.close();
  });

  it('refresh once, whichever sees the token due first', async () => {
    const browser = await signInAt(fleet.url);
    fleet.authKit.control.reset();
    await fleet.pass(4 * MINUTES - 12 * SECONDS);
    for (let step = 0; step < 8; step += 1) {
      await fleet.pass(3 * SECONDS);
      const pages = await Promise.all(times(10, () => browser.get(`${fleet.url}/profile`)));
      expect(countByStatus(pages)).toEqual({ 200: 10 });
    }
    expect(exchanges()).toBe(1);
  });

  it('refresh once for 50 parallel requests after the access token has expired', async () => {
    const browser = await signInAt(fleet.url);
    fleet.authKit.control.reset();
    await fleet.pass(6 * MINUTES);
    const pages = await Promise.all(times(50, () => browser.get(`${fleet.url}/profile`)));
    expect(countByStatus(pages)).toEqual({ 200: 50 });
    expect(exchanges()).toBe(1);
  });

  it('ask a silent AuthKit once each, and no request waits longer than two timeouts', async () => {
    const browser = await browserWithDueToken();
    fleet.authKit.control.fault({ endpoint: 'token', kind: 'silent' });
    const startedAt = performance.now();
    const pages = await Promise.all(times(20, () => browser.get(`${fleet.url}/profile`)));
    expect(performance.now() - startedAt).toBeLessThan(12 * SECONDS);
    expect(countByStatus(pages)).toEqual({ 200: 20 });
    expect(pages.every(({ body }) => body.includes(NOTICE))).toBe(true);
    expect(exchanges()).toBe(2);
    fleet.authKit.control.reset();
    await fleet.pass(31 * SECONDS);
    expect(await isSignedIn(browser)).toEqual([true, true]);
  });

  it('keep the session when the store loses the lease during a refresh, as in a failover', async () => {
    const browser = await browserWithDueToken();
    const { control } = fleet.authKit;
    control.fault({ endpoint: 'token', kind: 'slow', seconds: 1, requests: 1 });
    const slower = visit(browser, fleet, 0, '/profile');
    await until(() => exchanges() === 1);
    expect(await server?.endLeases()).toBeGreaterThan(0);
    expect((await visit(browser, fleet, 1, '/profile')).status).toBe(200);
    // The slower tokens come too late. Revoking them would also end the tokens just saved.
    expect((await slower).status).toBe(200);
    expect(exchanges()).toBe(2);
    await fleet.pass(4.5 * MINUTES);
    expect(await isSignedIn(browser)).toEqual([true, true]);
    expect(control.requests().revocation).toBe(0);
  });
});
