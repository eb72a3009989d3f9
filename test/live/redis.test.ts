// Open connections on Redis: one instance notices what another has ended, and Redis may be down.
import '../support/clock/clock.ts';
import { expect, vi } from 'vitest';
import { connectRedis } from '../../src/store/redis/connection.ts';
import { redisStore } from '../../src/store/redis/store.ts';
import { signInAt, startFleet } from '../support/app/instances.ts';
import { startLiveApp } from '../support/app/live-app.ts';
import { openSocket, openStream } from '../support/browser/connections.ts';
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
  const records = redisStore(await connectRedis(redis.url));
  const app = await startLiveApp({}, { records });
  const browser = await app.signIn();
  const { closed, socket } = await openSocket(browser, app.url);
  await redis.stop();
  const status = async () => (await openSocket(browser, app.url).catch(String)).toString();
  await vi.waitUntil(async () => (await status()).includes('503'), { timeout: 10_000 });
  passTime(50_000);
  await redis.start();
  await vi.waitUntil(
    () =>
      records.ping().then(
        () => true,
        () => false,
      ),
    { timeout: 20_000 },
  );
  expect(socket.readyState).toBe(socket.OPEN);
  await redis.stop();
  await vi.waitUntil(async () => (await status()).includes('503'), { timeout: 10_000 });
  passTime(60_000);
  expect(await closed).toBe('1013 try again later');
  await app.close();
  await records.close();
  await redis.close();
});
