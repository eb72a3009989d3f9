// Webhooks when several processes share a store: each event is acted on once, on all of them, and none
// is lost while the store is away.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signInAt, startFleet, until, visit, type Fleet } from '../support/app/instances.ts';
import { newEvent, send, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import type { Browser } from '../support/browser/browser.ts';
import { availableEngines, withParts } from '../support/machine/with-parts.ts';
import { startEngine, type TestEngine } from '../support/store/engines.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';

const { describe: describeWithRedis } = withParts('redis-server');
const env = { WORKOS_WEBHOOK_SECRET: WEBHOOK_SECRET };

let fleet: Fleet;

const url = (index: number) => `http://localhost:${fleet.instances[index]?.port}`;
const subOf = (name: string) =>
  fleet.authKit.people.find(({ givenName }) => givenName === name)?.sub ?? '';
const isSignedIn = async (browser: Browser, index: number) =>
  (await visit(browser, fleet, index, '/profile')).status === 200;
const untilReady = () => until(async () => (await fetch(`${url(0)}/readyz`)).status === 200);
const resultOf = async (response: Response) =>
  ((await response.json()) as { result: string }).result;

describe.each(availableEngines())('two instances on %s', (engine) => {
  let server: TestEngine | undefined;
  beforeAll(async () => {
    server = await startEngine(engine);
    fleet = await startFleet({ env: { ...env, ...server?.env } });
  });
  afterAll(async () => {
    await fleet.close();
    await server?.close();
  });

  test('end a deleted user’s sessions at once, wherever the webhook arrives', async () => {
    const browser = await signInAt(fleet.url);
    expect([await isSignedIn(browser, 0), await isSignedIn(browser, 1)]).toEqual([true, true]);
    await send(url(0), newEvent('user.deleted', { id: subOf('Bruno') }));
    expect([await isSignedIn(browser, 0), await isSignedIn(browser, 1)]).toEqual([false, false]);
  });

  test('act once on an event that both get', async () => {
    const event = newEvent('user.updated', { id: subOf('Bruno') });
    expect(await resultOf(await send(url(0), event))).toBe('rechecked');
    const browser = await signInAt(fleet.url);
    fleet.authKit.control.reset();
    expect(await resultOf(await send(url(1), event))).toBe('repeated');
    await isSignedIn(browser, 1);
    expect(fleet.authKit.control.requests().token).toBe(0);
  });

  test('refresh once for the news that both get at the same time', async () => {
    const browser = await signInAt(fleet.url);
    fleet.authKit.control.reset();
    const event = newEvent('user.updated', { id: subOf('Bruno') });
    const responses = await Promise.all([0, 1, 0, 1].map((index) => send(url(index), event)));
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const pages = [0, 1, 0, 1].map((index) => isSignedIn(browser, index));
    expect(await Promise.all(pages)).toEqual([true, true, true, true]);
    expect(fleet.authKit.control.requests().token).toBe(1);
  });
});

describeWithRedis('while Redis is away', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ persist: true });
    fleet = await startFleet({ env: { ...env, REDIS_URL: redis.url } });
    await untilReady();
  });
  afterAll(async () => {
    await fleet.close();
    await redis.close();
  });

  test('a webhook gets 503, and is acted on when it comes again', async () => {
    const browser = await signInAt(fleet.url);
    const event = newEvent('user.deleted', { id: subOf('Bruno') });
    await redis.stop();
    const refused = await send(url(0), event);
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: 'unavailable' }]);
    await redis.start();
    await untilReady();
    expect(await resultOf(await send(url(0), event))).toBe('ended');
    expect(await isSignedIn(browser, 1)).toBe(false);
  });

  test('a webhook gets 503 within a second when Redis does not respond', async () => {
    redis.pause();
    const startedAt = performance.now();
    const response = await send(url(0), newEvent('user.deleted', { id: subOf('Ada') }));
    // AuthKit’s limit is longer; a busy machine may add to our 0.9 s.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(response.status).toBe(503);
    redis.resume();
  });
});
