// Properties of one store engine alone: the file stays bounded and private, Redis keys expire.
import { statSync } from 'node:fs';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startPruning } from '../../src/store/embedded/pruning.ts';
import { migrate } from '../../src/store/embedded/schema.ts';
import { openSqlite } from '../../src/store/embedded/sqlite.ts';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { connectRedis } from '../../src/store/redis-connection/connection.ts';
import { createCommands } from '../../src/store/redis/commands.ts';
import { nameInIndexes, redisIndexes } from '../../src/store/redis/indexes.ts';
import type { RedisLink } from '../../src/store/redis/link.ts';
import { redisStore } from '../../src/store/redis/store.ts';
import { StoreError } from '../../src/store/errors.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';
import { bytes, endAll, HOUR, pass, session, temporaryFiles } from '../support/store/stores.ts';
import { withParts } from '../support/machine/with-parts.ts';

const newFile = temporaryFiles();
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }));
afterEach(() => void vi.useRealTimers());

function count(file: string, table: string): unknown {
  const db = new Database(file);
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).raw().get([]);
  } finally {
    db.close();
  }
}

/** Prunes like openEmbeddedStore, with another limit of sessions and every 10 ms. */
async function pruneOften(file: string, maxSessions: number): Promise<() => Promise<void>> {
  const sqlite = await openSqlite(file, migrate);
  const stopPruning = startPruning(sqlite, maxSessions, 10);
  return async () => {
    await stopPruning();
    await sqlite.close();
  };
}

describe('the session file', () => {
  test('is readable by its owner only, as are its -wal and -shm files', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    await store.insert('a', session('ada'));
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(file + suffix).mode & 0o777).toBe(0o600);
    }
    await store.close();
  });

  test('loses expired sessions and leases without any request', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    const stop = await pruneOften(file, 1_000_000);
    for (let i = 0; i < 250; i += 1) await store.insert(`${i}`, session('ada'));
    await store.insert('kept', session('ada', { expiresAt: Date.now() + 2 * HOUR }));
    await store.acquireLease('l', 'one', HOUR);
    pass(HOUR);
    await vi.waitFor(() => expect(count(file, 'sessions')).toEqual([1]));
    await vi.waitFor(() => expect(count(file, 'leases')).toEqual([0]));
    expect(await store.read('kept')).toBeDefined();
    await stop();
    await store.close();
  });

  test('holds a limited number of sessions, and drops those closest to their expiry', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    const stop = await pruneOften(file, 10);
    for (let i = 0; i < 30; i += 1) {
      await store.insert(`${i}`, session('ada', { expiresAt: Date.now() + HOUR + i }));
    }
    await vi.waitFor(() => expect(count(file, 'sessions')).toEqual([10]));
    expect(await store.read('19')).toBeUndefined();
    expect(await store.read('20')).toBeDefined();
    await stop();
    await store.close();
  });

  test('is pruned once a minute', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: Date.now() });
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    await store.insert('a', session('ada'));
    pass(HOUR);
    vi.advanceTimersByTime(59_999);
    await store.ping();
    expect(count(file, 'sessions')).toEqual([1]);
    vi.advanceTimersByTime(1);
    await store.close();
    expect(count(file, 'sessions')).toEqual([0]);
  });

  test('keeps its sessions when it is closed and reopened', async () => {
    const file = newFile();
    const first = await openEmbeddedStore({ file });
    await first.insert('a', session('ada'));
    await first.close();
    const second = await openEmbeddedStore({ file });
    expect(await second.read('a')).toBeDefined();
    await second.close();
  });
});

/** A promise with a function that resolves it. */
function gate() {
  let open: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open?.() };
}

/** A connection on which these commands fail. */
const refusing = (
  link: RedisLink,
  isRefused: (args: (string | Buffer)[]) => boolean,
): RedisLink => ({
  ping: () => link.ping(),
  close: () => link.close(),
  send: (key, args, types) =>
    isRefused(args) ? Promise.reject(new Error('refused')) : link.send(key, args, types),
});

withParts('redis-server').describe('the Redis keys', () => {
  let redis: TestRedis;
  let store: Store;
  beforeAll(async () => {
    redis = await startRedis();
    ({ store } = await openStore({ redisUrl: redis.url, file: '' }));
  });
  afterAll(async () => {
    await store.close();
    await redis.close();
  });

  test('all have an expiry', async () => {
    const keys = { person: 'ada', organization: 'org1', issuerSession: 'sid1' };
    const next = { facts: bytes('g'), tokens: bytes('t'), organization: 'org2' };
    await store.insert('a', session(keys));
    await store.update('a', bytes('data 2'), Date.now(), Date.now() + HOUR);
    await store.touch('a', Date.now(), Date.now() + HOUR);
    await store.replaceTokens('a', 1, next);
    await store.insert('visitor', session());
    await store.acquireLease('l', 'one', 10_000);
    expect(await redis.command('DBSIZE')).toBe(':7\r\n');
    expect(await redis.command('INFO keyspace')).toContain('keys=7,expires=7');
  });

  test('of an index drop sessions that have ended', async () => {
    await redis.flush();
    await store.insert('ended', session('ada'));
    await redis.command('DEL session:{ended}');
    await store.insert('a', session('ada'));
    expect((await store.sessionsOf('ada')).map(({ key }) => key)).toEqual(['a']);
    expect(await redis.command('ZCARD user:{ada}')).toBe(':1\r\n');
    await store.remove('a');
    expect(await redis.command('DBSIZE')).toBe(':0\r\n');
  });

  test('of an index keep an entry that a reader sees before its session is written', async () => {
    await redis.flush();
    const link = await connectRedis(redis.url);
    const commands = createCommands(link);
    const [seen, goOn] = [gate(), gate()];
    const slow = redisIndexes({
      ...commands,
      async read(key) {
        const row = await commands.read(key);
        seen.open();
        await goOn.opened;
        return row;
      },
    });
    let looking: Promise<string[]> | undefined;
    await nameInIndexes(commands, { person: 'ada' }, 'a', Date.now() + HOUR, async () => {
      looking = slow.keysBy('person', 'ada');
      await seen.opened;
    });
    goOn.open();
    expect(await looking).toEqual([]);
    expect(await redis.command('ZCARD user:{ada}')).toBe(':1\r\n');
    link.close();
  });

  test('of an index are limited to 50 sessions of a person, ended ones included', async () => {
    await redis.flush();
    for (let i = 0; i < 60; i += 1) {
      await store.insert(`${i}`, session('ada', { endsAt: Date.now() + HOUR + i }));
      await redis.command(`DEL session:{${i}}`);
    }
    expect(await redis.command('ZCARD user:{ada}')).toBe(':50\r\n');
  });

  test('of 50 sessions stay if the 51st of the person cannot be written', async () => {
    await redis.flush();
    for (let i = 0; i < 50; i += 1) await store.insert(`${i}`, session('ada'));
    const link = await connectRedis(redis.url);
    const broken = redisStore(refusing(link, (args) => args.includes('data')));
    await expect(broken.insert('51st', session('ada'))).rejects.toThrow(StoreError);
    expect(await store.sessionsOf('ada')).toHaveLength(50);
    await broken.close();
  });

  test('of an index keep the mark of a new entry if removing it fails', async () => {
    await redis.flush();
    const link = await connectRedis(redis.url);
    const { endsAt } = session('ada');
    const broken = redisStore(refusing(link, (args) => args.includes(String(endsAt))));
    await broken.insert('a', session('ada', { endsAt }));
    expect(await redis.command('ZSCORE user:{ada} a')).toContain(`${endsAt}.5`);
    expect((await store.sessionsOf('ada')).map(({ key }) => key)).toEqual(['a']);
    expect(await endAll(store, 'ada')).toBe(1);
    await broken.close();
  });

  test('are separate for two applications in two databases of one server', async () => {
    const { store: other } = await openStore({ redisUrl: `${redis.url}/1`, file: '' });
    await store.insert('a', session('ada'));
    expect(await other.sessionsOf('ada')).toEqual([]);
    expect(await endAll(other, 'ada')).toBe(0);
    expect(await store.read('a')).toBeDefined();
    await other.close();
  });
});
