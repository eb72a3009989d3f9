// What open connections cost: reads of the store, and timers. The connections are stand-ins, the
// sessions and the store are real.
import type { IncomingMessage } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Auth } from '../../src/auth/index.ts';
import {
  createLive,
  type Live,
  type LiveSocket,
  type WebSocketServer,
} from '../../src/live/index.ts';
import { startSeededHost, type SeededHost } from '../support/app/seeded-host.ts';

const SESSIONS = 1_000;
const CONNECTIONS = 10_000;

let folder: string;
let host: SeededHost;
let cookies: string[];
let reads: string[];
let atOnce = 0;
let mostAtOnce = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'live-cost-'));
  host = await startSeededHost({
    file: join(folder, 'sessions.db'),
    addPages: () => undefined,
    change: (records) => ({
      async read(key) {
        reads.push(key);
        atOnce += 1;
        mostAtOnce = Math.max(mostAtOnce, atOnce);
        return records.read(key).finally(() => (atOnce -= 1));
      },
    }),
  });
  reads = [];
  cookies = [];
  for (let index = 0; index < SESSIONS; index += 1) cookies.push(await host.seed(`user ${index}`));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});
afterAll(async () => {
  await host.close();
  await rm(folder, { recursive: true, force: true });
});

/** A server of WebSockets that have no client; `closers` has what their clients' leaving calls. */
function socketsWithoutClients() {
  const closers: (() => void)[] = [];
  const codes: number[] = [];
  const server: WebSocketServer<LiveSocket> = {
    handleUpgrade: (_req, _socket, _head, opened) =>
      opened({
        close: (code) => codes.push(code),
        ping: () => undefined,
        on: (name, listener) => name === 'close' && closers.push(listener),
        removeAllListeners: () => undefined,
      }),
  };
  return { server, closers, codes };
}

function open(live: Live, server: WebSocketServer<LiveSocket>, cookie = ''): Promise<void> {
  const req = { headers: { cookie } } as IncomingMessage;
  return live.upgrade(server, () => undefined)(req, new PassThrough(), Buffer.alloc(0));
}

test('ten thousand connections cost one read of each of their sessions per interval, a hundred at a time', async () => {
  const live = createLive({ auth: host.auth, everySeconds: 0.5 });
  const { server, closers, codes } = socketsWithoutClients();
  for (let round = 0; round < CONNECTIONS / SESSIONS; round += 1)
    await Promise.all(cookies.map((cookie) => open(live, server, cookie)));
  expect(closers).toHaveLength(CONNECTIONS);
  // The interval in which they came is not like the others.
  const count = reads.length;
  await vi.waitUntil(() => reads.length >= count + SESSIONS, { timeout: 60_000 });
  await vi.waitUntil(() => atOnce === 0);
  reads = [];
  mostAtOnce = 0;
  await vi.waitUntil(() => reads.length >= 2 * SESSIONS, { timeout: 60_000 });
  expect(new Set(reads.slice(0, SESSIONS)).size).toBe(SESSIONS);
  expect(new Set(reads.slice(SESSIONS, 2 * SESSIONS)).size).toBe(SESSIONS);
  expect(mostAtOnce).toBe(100);
  await host.endSessionsOf('user 7');
  await vi.waitUntil(() => codes.length > 0, { timeout: 60_000 });
  expect(codes).toEqual(Array.from({ length: CONNECTIONS / SESSIONS }, () => 4401));
  live.close();
});

test('one timer runs while connections are open, and none once the last has closed', async () => {
  const timers = timersOf(4_321);
  const live = createLive({ auth: host.auth, everySeconds: 4.321 });
  const { server, closers } = socketsWithoutClients();
  expect(timers.size).toBe(0);
  await open(live, server, cookies[0]);
  await open(live, server, cookies[1]);
  expect(timers.size).toBe(1);
  const [first] = timers;
  await vi.advanceTimersByTimeAsync(4_321);
  await vi.waitUntil(() => timers.size === 1 && !timers.has(first));
  closers[0]?.();
  expect(timers.size).toBe(1);
  closers[1]?.();
  expect(timers.size).toBe(0);
  await open(live, server, cookies[2]);
  expect(timers.size).toBe(1);
  live.close();
  expect(timers.size).toBe(0);
});

/** The timers of exactly this delay that run: an earlier file of this process may have left others. */
function timersOf(delayMs: number): Set<unknown> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const [set, clear] = [globalThis.setTimeout, globalThis.clearTimeout];
  const running = new Set<unknown>();
  vi.stubGlobal('setTimeout', (work: () => void, ms?: number) => {
    const timer = set(() => {
      running.delete(timer);
      work();
    }, ms);
    if (ms === delayMs) running.add(timer);
    return timer;
  });
  vi.stubGlobal('clearTimeout', (timer: NodeJS.Timeout) => {
    running.delete(timer);
    clear(timer);
  });
  return running;
}

test('a connection that reports its end late leaves the later ones of its session alone', async () => {
  const isBroken = { now: true };
  const { server, closers, codes } = socketsWithoutClients();
  const watch: Auth['watch'] = async (req) => {
    const session = await host.auth.watch(req);
    const isAlive = () => (isBroken.now ? Promise.reject(new Error('away')) : session.isAlive());
    return { ...session, isAlive };
  };
  const live = createLive({ auth: { watch }, everySeconds: 0.02, withoutStoreSeconds: 0 });
  await open(live, server, cookies[3]);
  await vi.waitUntil(() => codes.length === 1);
  isBroken.now = false;
  await open(live, server, cookies[3]);
  closers[0]?.();
  await host.endSessionsOf('user 3');
  await vi.waitUntil(() => codes.length === 2);
  expect(codes).toEqual([1013, 4401]);
  live.close();
});

test.each([0, -1, 16, Number.NaN])('an interval of %s seconds is refused', (everySeconds) => {
  expect(() => createLive({ auth: host.auth, everySeconds })).toThrow(RangeError);
});
