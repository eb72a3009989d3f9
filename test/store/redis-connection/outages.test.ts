// Faults of Redis: stopped, frozen, down at start, full, read-only; and Redis behind TLS.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { dirname } from 'node:path';
import { createServer } from 'node:tls';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { certificateFor } from '../../support/machine/certificate.ts';
import { openStore, StoreError, type StoreEvent } from '../../../src/store/index.ts';
import { connectRedis } from '../../../src/store/redis-connection/connection.ts';
import { redisStore } from '../../../src/store/redis/store.ts';
import { codeOf, run } from '../../support/store/jobs.ts';
import { startRedis } from '../../support/store/redis.ts';
import { bytes, session, temporaryFiles } from '../../support/store/stores.ts';
import { withParts } from '../../support/machine/with-parts.ts';

const { describe } = withParts('redis-server');

const newFile = temporaryFiles();

async function took(promise: Promise<unknown>): Promise<number> {
  const before = performance.now();
  expect(await codeOf(promise)).toBe('store_unreachable');
  return performance.now() - before;
}

describe('the Redis store', () => {
  const clean: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const step of clean.splice(0).toReversed()) await step();
  });
  let events: StoreEvent[];
  beforeEach(() => {
    events = [];
  });

  const untilReported = (...names: string[]) =>
    vi.waitFor(() => expect(events.map(({ event }) => event)).toEqual(names), 10_000);

  async function startStore() {
    const redis = await startRedis({ persist: true });
    clean.push(() => redis.close());
    const client = await connectRedis(redis.url, (event) => void events.push(event));
    const store = redisStore(client);
    clean.push(() => store.close());
    return { redis, store };
  }

  test('fails at once while Redis is stopped, and recovers when it starts again', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session('ada'));
    await redis.stop();
    await vi.waitFor(() => expect(events.at(-1)?.event).toBe('store_unreachable'));
    expect(await took(store.read('a'))).toBeLessThan(500);
    expect(await took(store.ping())).toBeLessThan(500);
    await redis.start();
    await vi.waitFor(() => store.ping(), { interval: 50 });
    expect(await store.read('a')).toMatchObject({
      data: bytes('data 1'),
      facts: bytes('facts 1'),
      version: 1,
    });
    expect(events.map(({ event }) => event)).toEqual([
      'store_reachable',
      'store_unreachable',
      'store_reachable',
    ]);
  });

  test('accepts a reply that arrived while the process was busy beyond the deadline', async () => {
    const { store } = await startStore();
    await store.insert('a', session('ada'));
    const read = store.read('a');
    // The command is sent first; then the event loop blocks while the reply waits.
    await new Promise((sent) => setImmediate(sent));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
    expect(await read).toMatchObject({ data: bytes('data 1') });
  });

  test('settles every one of many commands when Redis stops in between', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session('ada'));
    const many = Array.from({ length: 500 }, () => store.read('a').catch((e: unknown) => e));
    const stopped = redis.stop();
    const more = Array.from({ length: 500 }, () => store.read('a').catch((e: unknown) => e));
    await stopped;
    for (const result of await Promise.all([...many, ...more])) {
      if (result instanceof Error) expect(result).toBeInstanceOf(StoreError);
      else expect(result).toMatchObject({ data: bytes('data 1') });
    }
  });

  test('fails the first commands in time and the next at once while Redis is frozen', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session('ada'));
    redis.pause();
    const first = await Promise.all([took(store.read('a')), took(store.ping())]);
    for (const ms of first) expect(ms).toBeLessThan(2_500);
    expect(await took(store.read('a'))).toBeLessThan(500);
    redis.resume();
    await vi.waitFor(() => store.ping(), { interval: 20 });
    expect(await store.read('a')).toBeDefined();
  });

  test('recovers after Redis is frozen for so long that the outage is reported', async () => {
    const { redis, store } = await startStore();
    redis.pause();
    await took(store.ping());
    await vi.waitFor(() => expect(events.at(-1)?.event).toBe('store_unreachable'), 15_000);
    expect(await took(store.ping())).toBeLessThan(500);
    redis.resume();
    await vi.waitFor(() => store.ping(), { interval: 50 });
  });

  test('opens while Redis is down, fails fast, and works once Redis is up', async () => {
    const redis = await startRedis();
    clean.push(() => redis.close());
    await redis.stop();
    const client = await connectRedis(redis.url, (event) => void events.push(event));
    const store = redisStore(client);
    clean.push(() => store.close());
    expect(await took(store.ping())).toBeLessThan(500);
    await redis.start();
    await vi.waitFor(() => store.ping(), { interval: 50 });
  });

  test('rejects an invalid URL without quoting its password', async () => {
    const told = ['redis://:pass-word@host:port', 'redis://:pass-word@host/name'].map(
      async (url) => {
        const error: unknown = await openStore({ redisUrl: url, file: '' }).catch(
          (e: unknown) => e,
        );
        expect(error).toBeInstanceOf(StoreError);
        expect(inspect(error, { depth: 9 })).not.toContain('pass-word');
      },
    );
    await Promise.all(told);
  });

  test('refuses writes with store_full when Redis is full, and keeps reads and removal', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session('ada'));
    await redis.command('CONFIG SET maxmemory 1');
    expect(await codeOf(store.insert('b', session('ada')))).toBe('store_full');
    expect(await store.read('a')).toBeDefined();
    await store.remove('a');
    expect(await store.read('a')).toBeUndefined();
  });

  test('refuses writes with store_readonly on a read-only replica', async () => {
    const { redis, store } = await startStore();
    await redis.command('REPLICAOF 127.0.0.1 1');
    expect(await codeOf(store.insert('a', session('ada')))).toBe('store_readonly');
  });

  test('reports the end of an outage in which the connection stayed, and the next outage', async () => {
    const { redis } = await startStore();
    await untilReported('store_reachable');
    // A replica without its primary refuses even a ping.
    await redis.command('CONFIG SET replica-serve-stale-data no');
    await redis.command('REPLICAOF 127.0.0.1 1');
    await untilReported('store_reachable', 'store_unreachable');
    await redis.command('REPLICAOF NO ONE');
    await untilReported('store_reachable', 'store_unreachable', 'store_reachable');
    await redis.stop();
    await untilReported(
      'store_reachable',
      'store_unreachable',
      'store_reachable',
      'store_unreachable',
    );
    await redis.start();
  });

  test('leaves no connection and reports nothing when closed while it connects anew', async () => {
    const { redis, store } = await startStore();
    await redis.command('REPLICAOF 127.0.0.1 1');
    expect(await codeOf(store.insert('a', session('ada')))).toBe('store_readonly');
    await store.close();
    const clients = async () => (await redis.command('CLIENT LIST')).match(/^(?:\$.*\n)?id=/gm);
    await vi.waitFor(async () => expect(await clients()).toHaveLength(1), 2_000);
    expect(events.map(({ event }) => event)).toEqual(['store_reachable']);
  });

  test('leaves a server that is no longer the primary, and works with the new one in seconds', async () => {
    const [first, second] = await Promise.all([startRedis(), startRedis()]);
    let target = first.port;
    // A name or virtual address: connections that are open stay where they were.
    const address = createTcpServer((client) => {
      const server = connect(target, '127.0.0.1');
      client.pipe(server).pipe(client);
      for (const socket of [client, server]) socket.on('error', () => socket.destroy());
      client.on('close', () => server.destroy());
    });
    address.listen(0, '127.0.0.1');
    await once(address, 'listening');
    const { port } = address.address() as AddressInfo;
    const store = redisStore(await connectRedis(`redis://127.0.0.1:${port}`));
    clean.push(
      () => first.close(),
      () => second.close(),
      async () => void address.close(),
      () => store.close(),
    );
    await store.insert('a', session('ada'));
    await second.command(`REPLICAOF 127.0.0.1 ${first.port}`);
    const info = () => second.command('INFO replication');
    await vi.waitFor(async () => expect(await info()).toContain('master_link_status:up'), 10_000);

    await second.command('REPLICAOF NO ONE');
    await first.command(`REPLICAOF 127.0.0.1 ${second.port}`);
    target = second.port;
    expect(await codeOf(store.insert('b', session('ada')))).toBe('store_readonly');
    await vi.waitFor(() => store.insert('b', session('ada')), 10_000);
    expect(await store.read('a')).toBeDefined();
    expect(await second.command('EXISTS session:{b}')).toBe(':1\r\n');
  });

  test('connects by rediss:// with a trusted certificate only', async () => {
    const { redis } = await startStore();
    const { cert, key } = certificateFor('localhost');
    const server = createServer({ cert, key }, (socket) => {
      const behind = connect(redis.port, '127.0.0.1');
      socket.pipe(behind).pipe(socket);
      socket.on('error', () => behind.destroy());
      behind.on('error', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    clean.push(async () => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const trusted = newFile();
    mkdirSync(dirname(trusted));
    writeFileSync(trusted, cert);

    const outcomes = [trusted, ''].map(async (certificates) => {
      const job = run(
        'ping',
        `rediss://localhost:${port}`,
        'a',
        `NODE_EXTRA_CA_CERTS=${certificates}`,
      );
      await job.ended;
      return [...job.lines, job.errors()];
    });
    expect(await Promise.all(outcomes)).toEqual([
      ['reachable', ''],
      ['store_unreachable', ''],
    ]);
  });
});
