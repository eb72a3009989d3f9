// The demo's small values with an expiry, stored beside the sessions in each engine.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openEntries, type Entries } from '../../src/demo/entries.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { codeOf } from '../support/store/jobs.ts';
import { startEngine, type TestEngine } from '../support/store/engines.ts';
import { HOUR, pass, session, temporaryFiles } from '../support/store/stores.ts';
import { availableEngines } from '../support/machine/with-parts.ts';

const newFile = temporaryFiles();

describe.each(availableEngines())('entries beside the sessions in %s', (engine) => {
  let server: TestEngine | undefined;
  let file: string;
  let store: Store;
  let closers: (() => Promise<void>)[];
  let entries: Entries;
  let other: Entries;

  beforeAll(async () => {
    server = await startEngine(engine);
  });
  afterAll(() => server?.close());
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await server?.flush();
    file = newFile();
    closers = [];
    const open = async () => {
      const opened = await openStore({ ...server?.options, file });
      const beside = await openEntries(file, opened.redis, opened.postgres);
      closers.push(
        () => beside.close(),
        () => opened.store.close(),
      );
      return { store: opened.store, entries: beside };
    };
    ({ store, entries } = await open());
    ({ entries: other } = await open());
  });
  afterEach(async () => {
    for (const close of closers) await close();
    vi.useRealTimers();
  });

  test('are kept, can be overwritten, and expire', async () => {
    expect(await entries.read('e')).toBeUndefined();
    await entries.write('e', 'one two\nthree', Date.now() + HOUR);
    expect(await other.read('e')).toBe('one two\nthree');
    await other.write('e', '', Date.now() + HOUR);
    expect(await entries.read('e')).toBe('');
    await entries.write('e', 'x', Date.now() + HOUR);
    pass(HOUR - 1);
    expect(await entries.read('e')).toBe('x');
    pass(1);
    expect(await entries.read('e')).toBeUndefined();
  });

  test('are deleted from the store after their expiry', async () => {
    await entries.write('ended', 'x', Date.now() + HOUR);
    pass(HOUR);
    await entries.write('e', 'y', Date.now() + HOUR);
    if (server?.redis) {
      // Redis deletes keys by its own clock: every key has an expiry.
      expect(await server.redis.command('INFO keyspace')).toContain('keys=2,expires=2');
      return;
    }
    const keys = 'SELECT key FROM demo_entries';
    if (server?.postgres) return expect(await server.postgres.sql(keys)).toEqual([{ key: 'e' }]);
    const db = new Database(file);
    expect(db.prepare(keys).raw().all([])).toEqual([['e']]);
    db.close();
  });

  test('are separate from a session with the same key', async () => {
    await store.insert('a', session('ada'));
    await entries.write('a', 'an entry', Date.now() + HOUR);
    await store.remove('a');
    expect(await other.read('a')).toBe('an entry');
    expect(await store.read('a')).toBeUndefined();
  });
});

test('openEntries refuses a file that is not a database as damaged', async () => {
  const file = newFile();
  mkdirSync(dirname(file));
  writeFileSync(file, 'this is not a database '.repeat(500));
  expect(await codeOf(openEntries(file))).toBe('store_damaged');
});

test('entries of a file are deleted at most once a minute, also when the clock was set back', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  const file = newFile();
  mkdirSync(dirname(file), { recursive: true });
  const entries = await openEntries(file);
  const db = new Database(file);
  const keys = () => db.prepare('SELECT key FROM demo_entries ORDER BY key').raw().all([]).flat();
  const write = (key: string, lifetime: number) => entries.write(key, 'x', Date.now() + lifetime);
  await write('a', 1_000);
  pass(59_999);
  await write('b', HOUR);
  expect(keys()).toEqual(['a', 'b']);
  pass(1);
  await write('b', HOUR);
  expect(keys()).toEqual(['b']);
  pass(-HOUR);
  await write('c', -1);
  await write('d', HOUR);
  expect(keys()).toEqual(['b', 'c', 'd']);
  pass(60_000);
  await write('d', HOUR);
  expect(keys()).toEqual(['b', 'd']);
  db.close();
  await entries.close();
  vi.useRealTimers();
});
