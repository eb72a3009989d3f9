// The lock around an exchange: one owner, held for as long as the work takes, and no longer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { withLease } from '../../../src/auth/tokens/lease.ts';
import { openStore, type Store } from '../../../src/store/index.ts';

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
const isFree = (name: string) => store.acquireLease(name, 'somebody else', 1);

it('is renewed while the work runs, however long that is, and then given back', async () => {
  const ends: (() => void)[] = [];
  const work = () => new Promise<string>((resolve) => ends.push(() => resolve('done')));
  const outcome = withLease(store, 'long', work);
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
  await expect(withLease(store, 'failing', fails)).rejects.toThrow('no answer');
  expect(await isFree('failing')).toBe(true);
});

it('passes on after five seconds when its owner died', async () => {
  await store.acquireLease('dead', 'the dead one', 5_000);
  const outcome = withLease(store, 'dead', () => Promise.resolve('done'));
  await vi.advanceTimersByTimeAsync(5_001);
  expect(await outcome).toBe('done');
});

it('lets one after the other work, each with what the one before has left', async () => {
  const order: string[] = [];
  const work = (name: string) => async () => {
    order.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(`${name} ends`);
  };
  await Promise.all(['one', 'two', 'three'].map((name) => withLease(store, 'shared', work(name))));
  for (const [index, begins] of order.entries()) {
    if (index % 2 === 0) expect(order[index + 1]).toBe(begins.replace('begins', 'ends'));
  }
  expect(order).toHaveLength(6);
});

it('is waited for in vain for so long only', async () => {
  await store.acquireLease('stuck', 'another instance', 600_000);
  const outcome = withLease(store, 'stuck', () => Promise.resolve('done'));
  const refused = expect(outcome).rejects.toMatchObject({ code: 'issuer_timeout' });
  await vi.advanceTimersByTimeAsync(7_501);
  await refused;
});
