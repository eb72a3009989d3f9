// Both engines of the store, for tests that hold for either.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from 'vitest';
import type { NewSession } from '../../src/auth/records.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { startRedis, type TestRedis } from './redis.ts';

export const HOUR = 3_600_000;

/** Moves the clock of `Date`, and nothing else: timers and Redis go by the real one. */
export const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** A file that is not there yet, in a folder that goes when the tests of this file end. */
export function temporaryFiles(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let files = 0;
  return () => join(folder, `${(files += 1)}`, 'sessions.db');
}

/** A sealed value, as far as a store can tell. */
export const bytes = (text: string) => Buffer.from(text);

/** A session that ends in an hour unless it is used, and in a day in any case. */
export function session(userKey?: string, change: Partial<NewSession> = {}): NewSession {
  const now = Date.now();
  const signIn = {
    grant: bytes('grant 1'),
    tokens: bytes('tokens 1'),
    browser: 'Firefox on Linux',
  };
  return {
    data: bytes('data 1'),
    startedAt: now,
    expiresAt: now + HOUR,
    endsAt: now + 24 * HOUR,
    ...(userKey !== undefined && { signIn: { userKey, ...signIn } }),
    ...change,
  };
}

interface Opened {
  store: Store;
  /** The same store, seen by another instance of the application. */
  other: Store;
}

/** Runs the tests for each engine, with an empty store opened twice and a clock to move. */
export function eachEngine(tests: (stores: Opened) => void): void {
  const newFile = temporaryFiles();
  const engines: [name: string, options: (redis: TestRedis) => { redisUrl?: string }][] = [
    ['the embedded store', () => ({})],
    ['Redis', ({ url }) => ({ redisUrl: url })],
  ];
  describe.each(engines)('%s', (_, options) => {
    let redis: TestRedis;
    let opened: Opened;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis.close());
    beforeEach(async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
      await redis.flush();
      const both = { ...options(redis), file: newFile() };
      const [{ store }, { store: other }] = await Promise.all([openStore(both), openStore(both)]);
      opened = { store, other };
    });
    afterEach(async () => {
      await Promise.all([opened.store.close(), opened.other.close()]);
      vi.useRealTimers();
    });
    tests({
      get store() {
        return opened.store;
      },
      get other() {
        return opened.other;
      },
    });
  });
}
