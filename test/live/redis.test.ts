// Open connections on Redis: one instance notices what another has ended, and Redis may be down.
import '../support/clock/clock.ts';
import { expect, vi } from 'vitest';
import type { SessionRecords } from '../../src/auth/index.ts';
import { connectRedis } from '../../src/store/redis-connection/connection.ts';
import { redisStore } from '../../src/store/redis/store.ts';
import { signInAt, startFleet } from '../support/app/instances.ts';
import { startLiveApp } from '../support/app/live-app.ts';
import { openSocket, openStream, refusalOf } from '../support/browser/connections.ts';
import { passTime } from '../support/clock/clock.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startRedis } from '../support/store/redis.ts';

const { test } = withParts('redis-server');

test('"Sign out everywhere" at one instance ends the event stream of another browser at another instance', async () => {
  const redis = await startRedis();
  const fleet = await startFleet({ env: { REDIS_URL: redis.url } });
  const at = (index: number) => `http://localhost:${fleet.instances[index]?.port}`;
  const [one, other, ada] = [
    await signInAt(fleet.url),
    await signInAt(fleet.url),
    await signInAt(fleet.url, 'Ada'),
  ];
  const streams = [
    await openStream(one, `${at(0)}/sessions/live`),
    await openStream(ada, `${at(0)}/sessions/live`),
  ];
  const headers = { 'sec-fetch-site': 'same-origin', origin: fleet.url };
  await other.post(`${at(1)}/sessions/end-all`, {}, { headers });
  const [ours, theirs] = streams;
  expect(await ours?.ended).toBe('event: session-ended\ndata:\n\n');
  expect(theirs?.response.destroyed).toBe(false);
  await fleet.close();
  await redis.close();
});

test('connections stay while Redis is down for less than a minute, and are then closed to try again later', async () => {
  const redis = await startRedis({ persist: true });
  const store = redisStore(await connectRedis(redis.url));
  let [read, failed] = [0, 0];
  const records: SessionRecords = {
    ...store,
    read: (key) =>
      store.read(key).then(
        (row) => {
          read += 1;
          return row;
        },
        (error: unknown) => {
          failed += 1;
          throw error;
        },
      ),
  };
  const app = await startLiveApp({}, { records });
  const browser = await app.signIn();
  const { closed, socket } = await openSocket(browser, app.url);
  const stopRedis = async () => {
    await redis.stop();
    const before = failed;
    await vi.waitUntil(() => failed > before);
  };
  await stopRedis();
  expect(await refusalOf(browser, app.url)).toBe('503 The session store cannot be reached.');
  passTime(40_000);
  await redis.start();
  const before = read;
  await vi.waitUntil(() => read > before);
  await stopRedis();
  passTime(40_000);
  expect(socket.readyState).toBe(socket.OPEN);
  passTime(20_000);
  expect(await closed).toBe('1013 try again later');
  await app.close();
  await store.close();
  await redis.close();
});
