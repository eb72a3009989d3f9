// The lock around a refresh. It has one owner, and lasts as long as the work.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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

const fails = () => Promise.reject(new TypeError('no response'));
const isFree = (name: string) => store.acquireLease(name, 'another owner', 1);

describe('a lease', () => {
  it('is renewed while the work runs, and released afterwards', async () => {
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

  it('is released when the work fails', async () => {
    await expect(withLease(store, 'failing', fails)).rejects.toThrow('no response');
    expect(await isFree('failing')).toBe(true);
  });

  it('passes to the next owner five seconds after its owner died', async () => {
    await store.acquireLease('dead', 'the dead one', 5_000);
    const outcome = withLease(store, 'dead', () => Promise.resolve('done'));
    await vi.advanceTimersByTimeAsync(5_001);
    expect(await outcome).toBe('done');
  });

  it('lets its owners work one after the other', async () => {
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} ends`);
    };
    await Promise.all(
      ['one', 'two', 'three'].map((name) => withLease(store, 'shared', work(name))),
    );
    for (const [index, begins] of order.entries()) {
      if (index % 2 === 0) expect(order[index + 1]).toBe(begins.replace('begins', 'ends'));
    }
    expect(order).toHaveLength(6);
  });

  it('is waited for 7.5 seconds at most', async () => {
    await store.acquireLease('stuck', 'another instance', 600_000);
    const outcome = withLease(store, 'stuck', () => Promise.resolve('done'));
    const refused = expect(outcome).rejects.toMatchObject({ code: 'issuer_timeout' });
    await vi.advanceTimersByTimeAsync(7_501);
    await refused;
  });
});
