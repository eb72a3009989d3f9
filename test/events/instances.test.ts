// Webhooks when several processes share a store: each event is acted on once, on all of them, and none
// is lost while the store is away.
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signInAt, startFleet, until, visit, type Fleet } from '../support/app/instances.ts';
import { newEvent, send, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import type { Browser } from '../support/browser/browser.ts';
import { findExecutable } from '../support/machine/parts.ts';
import { availableEngines, type Engine } from '../support/machine/with-parts.ts';
import { startEngine, type TestEngine } from '../support/store/engines.ts';
import { startPostgres, type TestPostgres } from '../support/store/postgres.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';

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

test.runIf(availableEngines().includes('SQLite'))(
  'a webhook gets 503 while another process writes to SQLite, and its work is done when it comes again',
  async () => {
    fleet = await startFleet({ env });
    const other = new Database(join(fleet.folder, 'sessions.db'));
    try {
      const browser = await signInAt(fleet.url);
      const event = newEvent('user.deleted', { id: subOf('Bruno') });
      other.exec('BEGIN IMMEDIATE');
      expect((await send(url(0), event)).status).toBe(503);
      other.exec('ROLLBACK');
      // The first instance may have finished its work meanwhile.
      expect((await send(url(1), event)).status).toBe(200);
      expect(await isSignedIn(browser, 0)).toBe(false);
    } finally {
      other.close();
      await fleet.close();
    }
  },
);

describe.each(availableEngines().filter((engine) => engine !== 'SQLite'))(
  'while %s is away',
  (engine) => {
    let server: TestRedis | TestPostgres;
    beforeAll(async () => {
      server = await startServer(engine);
      const name = engine === 'PostgreSQL' ? 'DATABASE_URL' : 'REDIS_URL';
      fleet = await startFleet({ env: { ...env, [name]: server.url } });
      await untilReady();
    });
    afterAll(async () => {
      await fleet.close();
      await server.close();
    });

    test('a webhook gets 503, and is acted on when it comes again', async () => {
      const browser = await signInAt(fleet.url);
      const event = newEvent('user.deleted', { id: subOf('Bruno') });
      await server.stop();
      const refused = await send(url(0), event);
      expect([refused.status, await refused.json()]).toMatchObject([503, { error: 'unavailable' }]);
      await server.start();
      await untilReady();
      expect(await resultOf(await send(url(0), event))).toBe('ended');
      expect(await isSignedIn(browser, 1)).toBe(false);
    });

    test('a webhook gets 503 within a second when the store does not respond', async () => {
      await server.pause();
      const startedAt = performance.now();
      const response = await send(url(0), newEvent('user.deleted', { id: subOf('Ada') }));
      // AuthKit’s limit is longer; a busy machine may add to our 0.9 s.
      expect(performance.now() - startedAt).toBeLessThan(3_000);
      expect(response.status).toBe(503);
      server.resume();
      await untilReady();
    });

    test('an event whose instance dies before it is done is acted on by the other', async () => {
      const browser = await signInAt(fleet.url);
      const event = newEvent('user.deleted', { id: subOf('Bruno') });
      await server.pause();
      expect((await send(url(0), event)).status).toBe(503);
      await fleet.instances[0]?.stop('SIGKILL');
      server.resume();
      await until(async () => (await fetch(`${url(1)}/readyz`)).status === 200);
      expect(await resultOf(await send(url(1), event))).toBe('ended');
      expect(await isSignedIn(browser, 1)).toBe(false);
    });
  },
);

/** A server that keeps its data when it is stopped. */
async function startServer(engine: Engine): Promise<TestRedis | TestPostgres> {
  if (engine === 'PostgreSQL') return startPostgres();
  const program = engine === 'Valkey' ? findExecutable('valkey-server') : undefined;
  return startRedis({ persist: true, ...(program !== undefined && { program }) });
}
