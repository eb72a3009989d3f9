// Three Sentinels over a primary and two replicas, as REDIS_URL names them.
import { createSentinel } from 'redis';
import { afterEach, beforeEach, expect, onTestFinished, vi } from 'vitest';
import type { Store, StoreEvent } from '../../src/store/index.ts';
import { parseRedisUrl } from '../../src/store/redis-connection/address.ts';
import { connectRedis } from '../../src/store/redis-connection/connection.ts';
import { redisStore } from '../../src/store/redis/store.ts';
import { startTestApp } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { killUnderLoad, MINUTES, SESSIONS } from '../support/app/failover.ts';
import { signInAt, startFleet, until, visit } from '../support/app/instances.ts';
import { setClock } from '../support/clock/clock.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startSentinels, untilAll, type Replicated } from '../support/store/replicated.ts';
import { bytes, session } from '../support/store/stores.ts';

const { describe, it } = withParts('redis-server');

let redis: Replicated;
beforeEach(async () => {
  setClock(0);
  redis = await startSentinels();
});
afterEach(() => redis.close());

describe('two instances on Redis Sentinel', () => {
  it('keep every session when the primary is killed, and refresh each once', async () => {
    const { responses, ...figures } = await killUnderLoad(redis);
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 503]));
    expect(figures.exchanges).toBe(SESSIONS);
    expect(figures.slowest503).toBeLessThan(15_000);
    // Generous, for a busy machine: docs/sessions.md has the measured times.
    expect(figures.signIn - figures.newPrimary).toBeLessThan(15_000);
  });

  it('keep a session whose refresh was under way when the primary was killed', async () => {
    const fleet = await startFleet({ env: { REDIS_URL: redis.url } });
    onTestFinished(() => fleet.close());
    const { control } = fleet.authKit;
    const browser = await signInAt(fleet.url);
    await fleet.pass(4.5 * MINUTES);
    control.reset();
    control.fault({ endpoint: 'token', kind: 'slow', seconds: 1, requests: 1 });
    const page = visit(browser, fleet, 0, '/profile');
    await until(() => control.requests().token === 1);
    await redis.servers[0]?.kill();
    expect([200, 503]).toContain((await page).status);
    await redis.untilFailedOver();
    const isBack = async (index: number) =>
      (await visit(browser, fleet, index, '/profile')).status === 200;
    await until(async () => (await isBack(0)) && (await isBack(1)), 30_000);
    // The tokens could not be saved in time: the other instance may have refreshed too.
    expect(control.requests().token).toBeLessThanOrEqual(2);
    await fleet.pass(4.5 * MINUTES);
    expect([await isBack(1), await isBack(0)]).toEqual([true, true]);
  });
});

describe('the store on Redis Sentinel', () => {
  let events: StoreEvent['event'][];
  let store: Store;
  beforeEach(async () => {
    events = [];
    store = redisStore(await connectRedis(redis.url, ({ event }) => void events.push(event)));
  });
  afterEach(() => store.close());

  it('follows to the new primary when the old one is frozen, and stays when it is back', async () => {
    await store.insert('a', session('ada'));
    const [primary] = redis.servers;
    primary?.pause();
    await redis.untilFailedOver();
    await vi.waitFor(() => store.insert('b', session('ada')), 15_000);
    primary?.resume();
    await untilAll(redis.servers.slice(0, 1), 'ROLE', /slave/);
    await store.insert('c', session('ada'));
    expect(await store.sessionsOf('ada')).toHaveLength(3);
    await vi.waitFor(() =>
      expect(events).toEqual(['store_reachable', 'store_unreachable', 'store_reachable']),
    );
  });

  it('follows a planned failover within seconds', async () => {
    await store.insert('a', session('ada'));
    expect(await redis.sentinels[0]?.command('SENTINEL FAILOVER mymaster')).toBe('+OK\r\n');
    await redis.untilFailedOver();
    await vi.waitFor(() => store.insert('b', session('ada')), 15_000);
    expect(await store.sessionsOf('ada')).toHaveLength(2);
  });

  it('works while all Sentinels but one are down', async () => {
    await Promise.all(redis.sentinels.slice(1).map((sentinel) => sentinel.kill()));
    const other = redisStore(await connectRedis(redis.url));
    onTestFinished(() => other.close());
    await other.insert('a', session('ada'));
    expect(await store.read('a')).toBeDefined();
  });

  it('works through a client of createSentinel', async () => {
    const { hosts, name } = parseRedisUrl(redis.url);
    const client = createSentinel({ name, sentinelRootNodes: hosts }).on('error', () => undefined);
    const own = redisStore(await client.connect());
    onTestFinished(() => own.close());
    await own.insert('a', session('ada'));
    expect((await own.read('a'))?.data).toEqual(bytes('data 1'));
    expect(await own.keysBy('person', 'ada')).toEqual(['a']);
    expect(await own.remove('a')).toBe(true);
    await own.ping();
  });
});

describe('a primary that no Sentinel monitors', () => {
  it('is named by the doctor, by /readyz and in the log', async () => {
    const REDIS_URL = redis.url.replace('mymaster', 'another');
    const app = await startTestApp({ env: { REDIS_URL } });
    onTestFinished(() => app.close());
    const unreachable = app.log.filter(({ event }) => event === 'store_unreachable');
    expect(unreachable).toEqual([
      expect.objectContaining({
        err: expect.objectContaining({
          message: expect.stringContaining('monitors no primary "another"'),
        }),
      }),
    ]);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(503);
    const { found, problems } = await diagnose(app.env);
    expect(problems).toEqual(['Redis']);
    expect(found('Redis')).toMatchObject({
      found: expect.stringContaining('monitors no primary "another"'),
      change: 'REDIS_URL: set the name that the Sentinels monitor',
    });
  });
});

it('a Sentinel taken for a server, and a server for a Sentinel, are named by the doctor', async () => {
  const app = await startTestApp();
  onTestFinished(() => app.close());
  const find = async (url = '') =>
    (await diagnose({ ...app.env, REDIS_URL: url })).found('Redis')?.change;
  expect(await find(redis.sentinels[0]?.url)).toMatch(/set redis\+sentinel:\/\//);
  const url = redis.servers[0]?.url.replace('redis:', 'redis+sentinel:');
  expect(await find(`${url}/mymaster`)).toMatch(/set the Sentinels/);
  expect(await find(redis.url)).toBeUndefined();
});
