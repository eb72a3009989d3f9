// A Redis Cluster of three primaries with a replica each, as REDIS_URL names it.
import { createCluster } from 'redis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, vi } from 'vitest';
import { openEntries } from '../../src/demo/entries.ts';
import { openStore, type Store, type StoreEvent } from '../../src/store/index.ts';
import { parseRedisUrl } from '../../src/store/redis-connection/address.ts';
import { redisStore } from '../../src/store/redis/store.ts';
import { startTestApp } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { killUnderLoad, SESSIONS } from '../support/app/failover.ts';
import { times, until } from '../support/app/instances.ts';
import { setClock } from '../support/clock/clock.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startCluster, untilAll, type Replicated } from '../support/store/replicated.ts';
import { bytes, endAll, HOUR, session } from '../support/store/stores.ts';

const { describe, it } = withParts('redis-server');

let redis: Replicated;
const startAgain = async (...args: string[]) => {
  setClock(0);
  redis = await startCluster(args);
};

describe('two instances on a Redis Cluster', () => {
  beforeAll(() => startAgain());
  afterAll(() => redis.close());

  it('keep every session when a primary is killed, and refresh each once', async () => {
    const { responses, ...figures } = await killUnderLoad(redis);
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 503]));
    expect(figures.exchanges).toBe(SESSIONS);
    expect(figures.slowest503).toBeLessThan(15_000);
    // Generous, for a busy machine: docs/sessions.md has the measured times.
    expect(figures.signIn - figures.newPrimary).toBeLessThan(15_000);
  });
});

describe('the store on a Redis Cluster', () => {
  let events: StoreEvent['event'][];
  let store: Store;
  let link: Awaited<ReturnType<typeof openStore>>['redis'];
  const names = times(60, (index) => `${index}`);
  beforeAll(() => startAgain());
  afterAll(() => redis.close());
  beforeEach(async () => {
    events = [];
    const onEvent = ({ event }: StoreEvent) => void events.push(event);
    ({ store, redis: link } = await openStore({ redisUrl: redis.url, file: '', onEvent }));
  });
  afterEach(() => store.close());

  /** One session each of many people, in slots of all primaries. */
  async function useAll(used: Store): Promise<void> {
    await Promise.all(names.map((name) => used.insert(name, session(name))));
    for (const name of names) {
      expect((await used.read(name))?.data).toEqual(bytes('data 1'));
      expect(await used.replaceTokens(name, 1, { facts: bytes('f'), tokens: bytes('t') })).toBe(
        true,
      );
      expect(await used.sessionsOf(name)).toHaveLength(1);
      expect(await used.acquireLease(name, 'one', 1_000)).toBe(true);
      expect(await endAll(used, name)).toBe(1);
    }
    await used.ping();
  }

  it('serves every slot', () => useAll(store));

  it('works through a client of createCluster', async () => {
    const rootNodes = parseRedisUrl(redis.url).hosts.map((socket) => ({ socket }));
    const client = createCluster({ rootNodes }).on('error', () => undefined);
    const own = redisStore(await client.connect());
    await useAll(own);
    await own.close();
  });

  it('is named by the doctor where REDIS_URL takes one of its servers for a single one', async () => {
    const app = await startTestApp();
    onTestFinished(() => app.close());
    const find = async (url = '') =>
      (await diagnose({ ...app.env, REDIS_URL: url })).found('Redis')?.change;
    expect(await find(redis.url)).toBeUndefined();
    const changes = await Promise.all(redis.servers.slice(0, 3).map(({ url }) => find(url)));
    expect(changes.join()).toMatch(/set redis\+cluster:\/\//);
  });

  it('keeps the values of the demo in every slot', async () => {
    const entries = await openEntries('', link);
    for (const name of names) {
      await entries.write(name, name, Date.now() + HOUR);
      expect(await entries.read(name)).toBe(name);
    }
  });

  it('serves the other primaries while one is frozen, and all once its replica has its place', async () => {
    await Promise.all(names.map((name) => store.insert(name, session(name))));
    redis.servers[0]?.pause();
    const results = await Promise.allSettled(names.map((name) => store.read(name)));
    expect(new Set(results.map(({ status }) => status))).toEqual(
      new Set(['fulfilled', 'rejected']),
    );
    await redis.untilFailedOver();
    await vi.waitFor(() => Promise.all(names.map((name) => store.read(name))), 15_000);
    await useAll(store);
    await vi.waitFor(() =>
      expect(events).toEqual(['store_reachable', 'store_unreachable', 'store_reachable']),
    );
    redis.servers[0]?.resume();
    await untilAll(redis.servers.slice(0, 1), 'ROLE', /slave/);
  });

  it('follows a planned failover', async () => {
    await Promise.all(names.map((name) => store.insert(name, session(name))));
    const replica = redis.servers.slice(0, 1);
    // One that is not connected to its primary refuses to take its place.
    await untilAll(replica, 'INFO replication', /master_link_status:up/);
    expect(await replica[0]?.command('CLUSTER FAILOVER')).toBe('+OK\r\n');
    await untilAll(replica, 'ROLE', /master/);
    await vi.waitFor(() => useAll(store), 15_000);
  });
});

describe('a slot that no server serves', () => {
  it.each(['yes', 'no'])(
    'is named by /readyz, the log and the doctor (cluster-require-full-coverage %s)',
    async (coverage) => {
      await startAgain('--cluster-require-full-coverage', coverage);
      onTestFinished(() => redis.close());
      const app = await startTestApp({ env: { REDIS_URL: redis.url } });
      onTestFinished(() => app.close());
      const isReady = async () => (await fetch(`${app.url}/readyz`)).status === 200;
      await until(isReady);
      await Promise.all(redis.servers.map((server) => server.command('CLUSTER DELSLOTS 7')));
      await until(async () => !(await isReady()), 15_000);
      const told = () => app.log.find(({ event }) => event === 'store_unreachable');
      await until(() => told() !== undefined);
      expect(told()?.['err']).toMatchObject({ message: expect.stringMatching(/^CLUSTERDOWN/) });
      const { found } = await diagnose(app.env);
      expect(found('Redis')).toMatchObject({
        found: expect.stringContaining('CLUSTERDOWN'),
        change: expect.stringContaining('hash slot'),
      });
      await redis.servers[0]?.command('CLUSTER ADDSLOTS 7');
      await until(isReady, 15_000);
    },
  );
});
