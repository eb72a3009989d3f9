// What src/auth/records.ts promises, held against both engines: one SQLite file and a real Redis.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NewSession } from '../src/auth/records.ts';
import { openEmbeddedStore } from '../src/store/embedded.ts';
import { openStore, type Store } from '../src/store/index.ts';
import { startRedis, type TestRedis } from './support/redis.ts';

const HOUR = 3_600_000;
const folder = mkdtempSync(join(tmpdir(), 'store-'));
let files = 0;
const newFile = () => join(folder, `${(files += 1)}`, 'sessions.db');

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }));
afterEach(() => void vi.useRealTimers());
afterAll(() => rmSync(folder, { recursive: true }));

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

function session(userKey?: string, change: Partial<NewSession> = {}): NewSession {
  const now = Date.now();
  const signIn = { grant: 'grant 1', tokens: 'tokens 1', browser: 'Firefox on Linux' };
  return {
    data: 'data 1',
    startedAt: now,
    expiresAt: now + HOUR,
    endsAt: now + 24 * HOUR,
    ...(userKey !== undefined && { signIn: { userKey, ...signIn } }),
    ...change,
  };
}

async function keysOf(store: Store, userKey: string): Promise<string[]> {
  return (await store.sessionsOf(userKey)).map(({ key }) => key).toSorted();
}

function count(file: string, table: string): unknown {
  const db = new Database(file);
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).raw().get([]);
  } finally {
    db.close();
  }
}

const engines: [name: string, open: (redis: TestRedis, file: string) => Promise<Store>][] = [
  ['the embedded store', async (_, file) => (await openStore({ file })).store],
  ['Redis', async ({ url }, file) => (await openStore({ redisUrl: url, file })).store],
];

describe.each(engines)('%s', (_, open) => {
  let redis: TestRedis;
  let store: Store;
  /** The same store, seen by another instance of the application. */
  let other: Store;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    const file = newFile();
    await redis.flush();
    [store, other] = await Promise.all([open(redis, file), open(redis, file)]);
  });
  afterEach(() => Promise.all([store.close(), other.close()]));

  test('a session is read by every instance as it was inserted', async () => {
    await store.insert('a', session('ada'));
    expect(await other.read('a')).toEqual({ data: 'data 1', grant: 'grant 1', version: 1 });
    expect(await other.readTokens('a')).toEqual({
      grant: 'grant 1',
      tokens: 'tokens 1',
      version: 1,
    });
  });

  test('a session nobody signed in to has no grant, no tokens and version 0', async () => {
    await store.insert('a', session());
    expect(await store.read('a')).toEqual({ data: 'data 1', grant: undefined, version: 0 });
    expect(await store.readTokens('a')).toBeUndefined();
    expect(await store.sessionsOf('')).toEqual([]);
  });

  test('an unknown key is undefined', async () => {
    expect(await store.read('a')).toBeUndefined();
    expect(await store.readTokens('a')).toBeUndefined();
  });

  test('values of any length and alphabet come back unchanged', async () => {
    const data = `"'\\ é 🙂 ${'x'.repeat(100_000)}`;
    await store.insert('a', session('ada', { data }));
    expect((await other.read('a'))?.data).toBe(data);
  });

  test('a session is unreadable from its expiry on', async () => {
    await store.insert('a', session('ada'));
    pass(HOUR - 1);
    expect(await store.read('a')).toBeDefined();
    pass(1);
    expect(await store.read('a')).toBeUndefined();
    expect(await store.readTokens('a')).toBeUndefined();
    expect(await store.sessionsOf('ada')).toEqual([]);
    expect(await store.update('a', 'late', Date.now(), Date.now() + HOUR)).toBe(false);
    expect(await store.replaceTokens('a', 1, { grant: 'late', tokens: 'late' })).toBe(false);
    expect(await store.removeOne('ada', 'a')).toBe(false);
    expect(await store.removeAll('ada')).toBe(0);
    expect(await store.read('a')).toBeUndefined();
  });

  test('an update writes the data, moves the expiry and leaves the tokens', async () => {
    await store.insert('a', session('ada'));
    pass(HOUR / 2);
    expect(await other.update('a', 'data 2', Date.now(), Date.now() + HOUR)).toBe(true);
    pass(HOUR - 1);
    expect(await store.read('a')).toEqual({ data: 'data 2', grant: 'grant 1', version: 1 });
    expect((await store.readTokens('a'))?.tokens).toBe('tokens 1');
    pass(1);
    expect(await store.read('a')).toBeUndefined();
  });

  test('no update moves the expiry beyond the end of the session', async () => {
    await store.insert('a', session('ada', { endsAt: Date.now() + 2 * HOUR }));
    await store.update('a', 'data 2', Date.now(), Date.now() + 9 * HOUR);
    pass(2 * HOUR - 1);
    expect(await store.read('a')).toBeDefined();
    pass(1);
    expect(await store.read('a')).toBeUndefined();
  });

  test('an update after sign-out writes nothing and brings nothing back', async () => {
    await store.insert('a', session('ada'));
    await other.remove('a');
    expect(await store.update('a', 'data 2', Date.now(), Date.now() + HOUR)).toBe(false);
    expect(await store.replaceTokens('a', 1, { grant: 'g', tokens: 't' })).toBe(false);
    expect(await store.read('a')).toBeUndefined();
    expect(await store.sessionsOf('ada')).toEqual([]);
  });

  test('tokens are replaced once per version, whoever tries', async () => {
    await store.insert('a', session('ada'));
    const tries = Array.from({ length: 20 }, (__, i) =>
      (i % 2 ? store : other).replaceTokens('a', 1, { grant: `g${i}`, tokens: `t${i}` }),
    );
    const won = (await Promise.all(tries)).flatMap((isMine, i) => (isMine ? [i] : []));
    expect(won).toHaveLength(1);
    expect(await store.readTokens('a')).toEqual({
      grant: `g${won[0]}`,
      tokens: `t${won[0]}`,
      version: 2,
    });
    expect(await other.replaceTokens('a', 1, { grant: 'old', tokens: 'old' })).toBe(false);
    expect(await other.replaceTokens('a', 2, { grant: 'g', tokens: 't' })).toBe(true);
    expect((await store.read('a'))?.version).toBe(3);
  });

  test('a replacement of tokens leaves the data and the expiry', async () => {
    await store.insert('a', session('ada'));
    await store.update('a', 'data 2', Date.now(), Date.now() + HOUR);
    await store.replaceTokens('a', 1, { grant: 'g', tokens: 't' });
    expect(await store.read('a')).toEqual({ data: 'data 2', grant: 'g', version: 2 });
    pass(HOUR);
    expect(await store.read('a')).toBeUndefined();
  });

  test("a person's sessions are listed, the last seen first, nobody else's among them", async () => {
    const start = Date.now();
    await store.insert('a', session('ada'));
    pass(1000);
    await other.insert('b', session('ada'));
    await store.insert('c', session('grace'));
    pass(1000);
    await store.update('a', 'data 2', Date.now(), Date.now() + HOUR);
    const browser = 'Firefox on Linux';
    expect(await other.sessionsOf('ada')).toEqual([
      { key: 'a', startedAt: start, lastSeenAt: start + 2000, browser },
      { key: 'b', startedAt: start + 1000, lastSeenAt: start + 1000, browser },
    ]);
  });

  test('one session is ended by its own person only', async () => {
    await store.insert('a', session('ada'));
    await store.insert('b', session('ada'));
    expect(await other.removeOne('grace', 'a')).toBe(false);
    expect(await other.read('a')).toBeDefined();
    expect(await other.removeOne('ada', 'a')).toBe(true);
    expect(await other.removeOne('ada', 'a')).toBe(false);
    expect(await store.read('a')).toBeUndefined();
    expect(await keysOf(store, 'ada')).toEqual(['b']);
  });

  test('all sessions of a person end at once, on every instance', async () => {
    for (const key of ['a', 'b', 'c']) await store.insert(key, session('ada'));
    await store.insert('d', session('grace'));
    await store.remove('c');
    expect(await other.removeAll('ada')).toBe(2);
    expect(await store.read('a')).toBeUndefined();
    expect(await keysOf(store, 'ada')).toEqual([]);
    expect(await keysOf(store, 'grace')).toEqual(['d']);
    expect(await store.removeAll('ada')).toBe(0);
  });

  test('a sign-in during "sign out everywhere" ends with it or is found by the next', async () => {
    for (let round = 0; round < 100; round += 1) {
      const key = `k${round}`;
      const ticks = round % 10;
      const ending = (async () => {
        for (let tick = 0; tick < ticks; tick += 1) await other.ping();
        await Promise.all([other.removeAll('ada'), other.sessionsOf('ada')]);
      })();
      await Promise.all([store.insert(key, session('ada')), ending]);
      const isThere = (await store.read(key)) !== undefined;
      expect(await keysOf(store, 'ada')).toEqual(isThere ? [key] : []);
      await other.removeAll('ada');
      expect(await store.read(key)).toBeUndefined();
    }
  });

  test('a lease has one owner, who may take it again', async () => {
    expect(await store.acquireLease('l', 'one', 10_000)).toBe(true);
    expect(await other.acquireLease('l', 'two', 10_000)).toBe(false);
    expect(await store.acquireLease('l', 'one', 10_000)).toBe(true);
    expect(await other.acquireLease('another', 'two', 10_000)).toBe(true);
  });

  test('a lease is released by its owner only', async () => {
    await store.acquireLease('l', 'one', 10_000);
    await other.releaseLease('l', 'two');
    expect(await other.acquireLease('l', 'two', 10_000)).toBe(false);
    await store.releaseLease('l', 'one');
    expect(await other.acquireLease('l', 'two', 10_000)).toBe(true);
  });

  test('a lease that runs out goes to another, and its first owner learns of it', async () => {
    vi.useRealTimers();
    await store.acquireLease('l', 'one', 50);
    await vi.waitFor(async () => expect(await other.acquireLease('l', 'two', 10_000)).toBe(true), {
      interval: 10,
    });
    expect(await store.renewLease('l', 'one', 10_000)).toBe(false);
    await store.releaseLease('l', 'one');
    expect(await store.acquireLease('l', 'one', 10_000)).toBe(false);
  });

  test('a renewed lease outlasts its first term', async () => {
    vi.useRealTimers();
    await store.acquireLease('l', 'one', 60);
    expect(await store.renewLease('l', 'one', 10_000)).toBe(true);
    const end = performance.now() + 120;
    while (performance.now() < end) {
      expect(await other.acquireLease('l', 'two', 10_000)).toBe(false);
    }
  });

  test('of many who ask for a lease at once, one gets it', async () => {
    const asked = Array.from({ length: 20 }, (__, i) =>
      (i % 2 ? store : other).acquireLease('l', `owner ${i}`, 10_000),
    );
    expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(1);
  });

  test('an entry is kept, overwritten, removed, and gone from its end on', async () => {
    expect(await store.readEntry('e')).toBeUndefined();
    await store.writeEntry('e', 'one two\nthree', Date.now() + HOUR);
    expect(await other.readEntry('e')).toBe('one two\nthree');
    await other.writeEntry('e', '', Date.now() + HOUR);
    expect(await store.readEntry('e')).toBe('');
    await store.removeEntry('e');
    expect(await store.readEntry('e')).toBeUndefined();
    await store.writeEntry('e', 'x', Date.now() + HOUR);
    pass(HOUR);
    expect(await store.readEntry('e')).toBeUndefined();
  });

  test('it answers a ping', async () => {
    await expect(store.ping()).resolves.toBeUndefined();
  });
});

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
    await store.update('a', 'data 2', Date.now(), Date.now() + HOUR);
    await store.replaceTokens('a', 1, { grant: 'g', tokens: 't' });
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
    expect(await keysOf(store, 'ada')).toEqual(['a']);
    expect(await redis.command('ZCARD user:{ada}')).toBe(':1\r\n');
    await store.remove('a');
    expect(await redis.command('DBSIZE')).toBe(':0\r\n');
  });
});
