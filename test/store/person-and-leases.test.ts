// The contract of src/auth/session/records.ts for a person's sessions and for leases, in both
// engines.
import { expect, test, vi } from 'vitest';
import type { Store } from '../../src/store/index.ts';
import { bytes, eachEngine, endAll, HOUR, pass, session } from '../support/store/stores.ts';

async function keysOf(store: Store, person: string): Promise<string[]> {
  return (await store.sessionsOf(person)).map(({ key }) => key).toSorted();
}

eachEngine((on) => {
  test("sessionsOf lists a person's own sessions only, the last seen first", async () => {
    const start = Date.now();
    await on.store.insert('a', session('ada'));
    pass(1000);
    await on.other.insert('b', session('ada'));
    await on.store.insert('c', session('grace'));
    pass(1000);
    await on.store.update('a', bytes('data 2'), Date.now(), Date.now() + HOUR);
    const label = 'Firefox on Linux';
    expect(await on.other.sessionsOf('ada')).toEqual([
      { key: 'a', startedAt: start, lastSeenAt: start + 2000, label },
      { key: 'b', startedAt: start + 1000, lastSeenAt: start + 1000, label },
    ]);
  });

  test('one session is removed once, and is found under its own person only', async () => {
    await on.store.insert('a', session('ada'));
    await on.store.insert('b', session('ada'));
    expect(await on.other.keysBy('person', 'grace')).toEqual([]);
    expect((await on.other.keysBy('person', 'ada')).toSorted()).toEqual(['a', 'b']);
    expect(await on.other.remove('a')).toBe(true);
    expect(await on.other.remove('a')).toBe(false);
    expect(await on.store.read('a')).toBeUndefined();
    expect(await keysOf(on.store, 'ada')).toEqual(['b']);
    expect(await on.store.keysBy('person', 'ada')).toEqual(['b']);
  });

  test('all sessions of a person end at once, on every instance', async () => {
    for (const key of ['a', 'b', 'c']) await on.store.insert(key, session('ada'));
    await on.store.insert('d', session('grace'));
    await on.store.remove('c');
    expect(await endAll(on.other, 'ada')).toBe(2);
    expect(await on.store.read('a')).toBeUndefined();
    expect(await keysOf(on.store, 'ada')).toEqual([]);
    expect(await keysOf(on.store, 'grace')).toEqual(['d']);
    expect(await endAll(on.store, 'ada')).toBe(0);
  });

  test('the newest fifty sessions of a person are kept, and all sessions of others', async () => {
    await on.store.insert('grace', session('grace'));
    for (let i = 0; i < 60; i += 1) {
      pass(1000);
      await on.store.insert(`k${i}`, session('ada'));
    }
    const kept = Array.from({ length: 50 }, (_, i) => `k${i + 10}`).toSorted();
    expect(await keysOf(on.other, 'ada')).toEqual(kept);
    expect(await on.store.read('k9')).toBeUndefined();
    expect(await on.store.read('grace')).toBeDefined();
  });

  test('a sign-in during "Sign out everywhere" ends with it or is found by the next', async () => {
    for (let round = 0; round < 100; round += 1) {
      const key = `k${round}`;
      const ticks = round % 10;
      const ending = (async () => {
        for (let tick = 0; tick < ticks; tick += 1) await on.other.ping();
        await Promise.all([endAll(on.other, 'ada'), on.other.sessionsOf('ada')]);
      })();
      await Promise.all([on.store.insert(key, session('ada')), ending]);
      const isThere = (await on.store.read(key)) !== undefined;
      expect(await keysOf(on.store, 'ada')).toEqual(isThere ? [key] : []);
      await endAll(on.other, 'ada');
      expect(await on.store.read(key)).toBeUndefined();
    }
  });

  test('a lease has one owner, which may acquire it again', async () => {
    expect(await on.store.acquireLease('l', 'one', 10_000)).toBe(true);
    expect(await on.other.acquireLease('l', 'two', 10_000)).toBe(false);
    expect(await on.store.acquireLease('l', 'one', 10_000)).toBe(true);
    expect(await on.other.acquireLease('another', 'two', 10_000)).toBe(true);
  });

  test('a lease is released by its owner only', async () => {
    await on.store.acquireLease('l', 'one', 10_000);
    await on.other.releaseLease('l', 'two');
    expect(await on.other.acquireLease('l', 'two', 10_000)).toBe(false);
    await on.store.releaseLease('l', 'one');
    expect(await on.other.acquireLease('l', 'two', 10_000)).toBe(true);
  });

  test('an expired lease goes to another owner, and the first one cannot renew it', async () => {
    vi.useRealTimers();
    await on.store.acquireLease('l', 'one', 50);
    await vi.waitFor(
      async () => expect(await on.other.acquireLease('l', 'two', 10_000)).toBe(true),
      {
        interval: 10,
      },
    );
    expect(await on.store.renewLease('l', 'one', 10_000)).toBe(false);
    await on.store.releaseLease('l', 'one');
    expect(await on.store.acquireLease('l', 'one', 10_000)).toBe(false);
  });

  test('a renewed lease outlasts its first term', async () => {
    vi.useRealTimers();
    await on.store.acquireLease('l', 'one', 60);
    expect(await on.store.renewLease('l', 'one', 10_000)).toBe(true);
    const end = performance.now() + 120;
    while (performance.now() < end) {
      expect(await on.other.acquireLease('l', 'two', 10_000)).toBe(false);
    }
  });

  test('one of many simultaneous owners acquires a lease', async () => {
    const asked = Array.from({ length: 20 }, (__, i) =>
      (i % 2 ? on.store : on.other).acquireLease('l', `owner ${i}`, 10_000),
    );
    expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(1);
  });

  test('ping resolves', async () => {
    await expect(on.store.ping()).resolves.toBeUndefined();
  });
});
