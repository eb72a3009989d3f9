// The lock around an exchange: one owner, held for as long as the work takes, and no longer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { withLease } from '../src/auth/lease.ts';
import { openStore, type Store } from '../src/store/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'lease-'));
let store: Store;

beforeAll(async () => {
  ({ store } = await openStore({ file: join(folder, 'sessions.db') }));
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setInterval', 'clearInterval'] });
});
afterAll(async () => {
  vi.useRealTimers();
  await store.close();
  rmSync(folder, { recursive: true });
});

const fails = () => Promise.reject(new TypeError('no answer'));
const nothingYet = () => Promise.resolve(undefined);
const isFree = (name: string) => store.acquireLease(name, 'somebody else', 1);

it('is renewed while the work runs, however long that is, and then given back', async () => {
  const ends: (() => void)[] = [];
  const work = () => new Promise<string>((resolve) => ends.push(() => resolve('done')));
  const outcome = withLease(store, 'long', nothingYet, work);
  await vi.waitFor(() => expect(ends).toHaveLength(1), { interval: 5 });
  for (let second = 0; second < 30; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await isFree('long')).toBe(false);
  }
  for (const end of ends) end();
  expect(await outcome).toBe('done');
  expect(await isFree('long')).toBe(true);
});

it('is given back when the work fails', async () => {
  await expect(withLease(store, 'failing', nothingYet, fails)).rejects.toThrow('no answer');
  expect(await isFree('failing')).toBe(true);
});

it('passes on after five seconds when its owner died', async () => {
  await store.acquireLease('dead', 'the dead one', 5_000);
  const outcome = withLease(store, 'dead', nothingYet, () => Promise.resolve('done'));
  await vi.advanceTimersByTimeAsync(5_001);
  expect(await outcome).toBe('done');
});

it('spares the work when somebody else has done it meanwhile', async () => {
  await store.acquireLease('busy', 'another instance', 60_000);
  let isSettled = false;
  const settled = () => Promise.resolve(isSettled ? 'theirs' : undefined);
  const outcome = withLease(store, 'busy', settled, () => Promise.reject(new TypeError('twice')));
  isSettled = true;
  expect(await outcome).toBe('theirs');
});

it('is waited for in vain for so long only', async () => {
  await store.acquireLease('stuck', 'another instance', 600_000);
  const outcome = withLease(store, 'stuck', nothingYet, () => Promise.resolve('done'));
  const refused = expect(outcome).rejects.toMatchObject({ code: 'issuer_timeout' });
  await vi.advanceTimersByTimeAsync(7_501);
  await refused;
});
