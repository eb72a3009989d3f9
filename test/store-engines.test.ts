// What each engine of the store adds by itself: the file stays bounded and private, keys expire.
import { statSync } from 'node:fs';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openEmbeddedStore } from '../src/store/embedded/store.ts';
import { openStore, type Store } from '../src/store/index.ts';
import { startRedis, type TestRedis } from './support/redis.ts';
import { bytes, HOUR, pass, session, temporaryFiles } from './support/stores.ts';

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

describe('the session file', () => {
  test('is readable by its owner only, and so are its companions', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    await store.insert('a', session('ada'));
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(file + suffix).mode & 0o777).toBe(0o600);
    }
    await store.close();
  });

  test('loses what has expired by itself', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file, pruneEveryMs: 10 });
    for (let i = 0; i < 250; i += 1) await store.insert(`${i}`, session('ada'));
    await store.insert('kept', session('ada', { expiresAt: Date.now() + 2 * HOUR }));
    await store.writeEntry('e', 'x', Date.now() + HOUR);
    await store.acquireLease('l', 'one', HOUR);
    pass(HOUR);
    await vi.waitFor(() => expect(count(file, 'sessions')).toEqual([1]));
    expect(count(file, 'entries')).toEqual([0]);
    expect(count(file, 'leases')).toEqual([0]);
    expect(await store.read('kept')).toBeDefined();
    await store.close();
  });

  test('holds at most so many sessions, and drops those nearest their end', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file, maxSessions: 10, pruneEveryMs: 10 });
    for (let i = 0; i < 30; i += 1) {
      await store.insert(`${i}`, session('ada', { expiresAt: Date.now() + HOUR + i }));
    }
    await vi.waitFor(() => expect(count(file, 'sessions')).toEqual([10]));
    expect(await store.read('19')).toBeUndefined();
    expect(await store.read('20')).toBeDefined();
    await store.close();
  });

  test('opens again with everything in it', async () => {
    const file = newFile();
    const first = await openEmbeddedStore({ file });
    await first.insert('a', session('ada'));
    await first.close();
    const second = await openEmbeddedStore({ file });
    expect(await second.read('a')).toBeDefined();
    await second.close();
  });
});

describe('the keys in Redis', () => {
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

  test('all expire by themselves', async () => {
    await store.insert('a', session('ada'));
    await store.update('a', bytes('data 2'), Date.now(), Date.now() + HOUR);
    await store.replaceTokens('a', 1, { grant: bytes('g'), tokens: bytes('t') });
    await store.insert('visitor', session());
    await store.acquireLease('l', 'one', 10_000);
    await store.writeEntry('e', 'x', Date.now() + HOUR);
    expect(await redis.command('DBSIZE')).toBe(':5\r\n');
    expect(await redis.command('INFO keyspace')).toContain('keys=5,expires=5');
  });

  test('name no session that has ended', async () => {
    await redis.flush();
    await store.insert('ended', session('ada'));
    await redis.command('DEL session:{ended}');
    await store.insert('a', session('ada'));
    expect((await store.sessionsOf('ada')).map(({ key }) => key)).toEqual(['a']);
    expect(await redis.command('ZCARD user:{ada}')).toBe(':1\r\n');
    await store.remove('a');
    expect(await redis.command('DBSIZE')).toBe(':0\r\n');
  });

  test('are apart where two applications use two databases of one server', async () => {
    const { store: other } = await openStore({ redisUrl: `${redis.url}/1`, file: '' });
    await store.insert('a', session('ada'));
    expect(await other.sessionsOf('ada')).toEqual([]);
    expect(await other.removeAll('ada')).toBe(0);
    expect(await store.read('a')).toBeDefined();
    await other.close();
  });
});
