// Simultaneous reads of the embedded store share one transaction, without any visible effect.
import { statSync } from 'node:fs';
import Database from 'libsql';
import { expect, onTestFinished, test } from 'vitest';
import { readTogether } from '../../../src/store/embedded/read-batch.ts';
import { openStore } from '../../../src/store/index.ts';
import { bytes, endAll, HOUR, session, temporaryFiles } from '../../support/store/stores.ts';

const newFile = temporaryFiles();
const open = async (file: string) => (await openStore({ file })).store;
const MANY = 300;

test('each of many simultaneous reads gets its own row, or none', async () => {
  const store = await open(newFile());
  for (let i = 0; i < MANY; i += 2) {
    await store.insert(
      `${i}`,
      session('ada', { data: bytes(`data ${i}`), endsAt: Date.now() + HOUR }),
    );
    if (i % 50 === 0) await endAll(store, 'nobody');
  }
  const kept = (await store.sessionsOf('ada')).map(({ key }) => Number(key));
  const rows = await Promise.all([...Array(MANY).keys()].map((i) => store.read(`${i}`)));
  rows.forEach((row, i) => {
    expect(row?.data.toString()).toBe(kept.includes(i) ? `data ${i}` : undefined);
  });
  expect(rows.filter(Boolean)).toHaveLength(50);
  await store.close();
});

test('a read sees every earlier write of another instance', async () => {
  const file = newFile();
  const [store, other] = [await open(file), await open(file)];
  await store.insert('a', session('ada'));
  for (let version = 1; version <= 50; version += 1) {
    const waiting = [store.read('a'), store.read('a')];
    await other.replaceTokens('a', version, { facts: bytes('next'), tokens: bytes('next') });
    const [row] = await Promise.all([store.read('a'), store.read('a'), ...waiting]);
    expect(row?.version).toBe(version + 1);
  }
  await other.remove('a');
  expect(await Promise.all([store.read('a'), store.read('a')])).toEqual([undefined, undefined]);
  await store.close();
  await other.close();
});

test('a write between reads is kept, and the reads leave no transaction open', async () => {
  const file = newFile();
  const [store, other] = [await open(file), await open(file)];
  const reads = () => [...Array(20).keys()].map((i) => store.read(`${i}`));
  for (let i = 0; i < 20; i += 1) {
    await Promise.all([...reads(), store.insert(`${i}`, session('ada')), ...reads()]);
  }
  await Promise.all(reads());
  expect(await other.sessionsOf('ada')).toHaveLength(20);
  // SQLite can empty the write-ahead log only when no reader is left.
  await other.close();
  expect(statSync(`${file}-wal`).size).toBe(0);
  await store.close();
});

test('reads that are pending when the store closes still return their rows', async () => {
  const store = await open(newFile());
  await store.insert('a', session('ada'));
  const waiting = [store.read('a'), store.read('a'), store.read('b')];
  await store.close();
  const versions = (await Promise.all(waiting)).map((row) => row?.version);
  expect(versions).toEqual([1, 1, undefined]);
});

test('a read that fails leaves no transaction open', async () => {
  const db = new Database(':memory:');
  onTestFinished(() => void db.close());
  const read = readTogether(db, (value: number) => {
    if (value === 3) throw new Error('damaged');
    return value;
  });
  const all = await Promise.allSettled([1, 2, 3, 4, 5].map(read));
  expect(all.map(({ status }) => status === 'fulfilled')).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(db.inTransaction).toBe(false);
});
