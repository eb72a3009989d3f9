// A store for tests that apply to each engine.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from 'vitest';
import type { IndexKeys, NewSession } from '../../../src/auth/session/records.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { availableEngines } from '../machine/with-parts.ts';
import { startEngine, type TestEngine } from './engines.ts';

export const HOUR = 3_600_000;

/** Moves the clock of `Date` only: timers and Redis keep real time. */
export const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** Returns new file paths in a folder that is deleted after the tests of the file. */
export function temporaryFiles(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let files = 0;
  return () => join(folder, `${(files += 1)}`, 'sessions.db');
}

/** Stands for a sealed value, which a store cannot read. */
export const bytes = (text: string) => Buffer.from(text);

/**
 * A session that expires after an hour without use, and after a day in any case; `found` is its
 * person or its index keys.
 */
export function session(found?: string | IndexKeys, change: Partial<NewSession> = {}): NewSession {
  const now = Date.now();
  const keys = typeof found === 'string' ? { person: found } : found;
  const signIn = {
    facts: bytes('facts 1'),
    tokens: bytes('tokens 1'),
    label: 'Firefox on Linux',
  };
  return {
    data: bytes('data 1'),
    startedAt: now,
    expiresAt: now + HOUR,
    endsAt: now + 24 * HOUR,
    ...(keys && { signIn: { keys, ...signIn } }),
    ...change,
  };
}

/** Removes all sessions of a person; returns how many there were. */
export async function endAll(store: Store, person: string): Promise<number> {
  const keys = await store.keysBy('person', person);
  const ended = await Promise.all(keys.map((key) => store.remove(key)));
  return ended.filter(Boolean).length;
}

interface Opened {
  store: Store;
  /** The same store, seen by another instance of the application. */
  other: Store;
}

/** Runs the tests for each engine, with an empty store opened twice and a clock to move. */
export function eachEngine(tests: (stores: Opened) => void): void {
  const newFile = temporaryFiles();
  describe.each(availableEngines())('in %s', (engine) => {
    let server: TestEngine | undefined;
    let opened: Opened;
    beforeAll(async () => {
      server = await startEngine(engine);
    });
    afterAll(() => server?.close());
    beforeEach(async () => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
      await server?.flush();
      const both = { ...server?.options, file: newFile() };
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
