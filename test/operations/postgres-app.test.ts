// Two instances of the app on PostgreSQL: an outage under load, a failover, shared rate limits.
import { afterEach, expect, it, vi } from 'vitest';
import { startTestApp } from '../support/app/app.ts';
import { signInAt, startFleet, times, until, type Fleet } from '../support/app/instances.ts';
import { Browser } from '../support/browser/browser.ts';
import { slowest, underLoad, type TimedResponse } from '../support/browser/load.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startAddress } from '../support/store/address.ts';
import { startPostgres, type TestPostgres } from '../support/store/postgres.ts';

const { describe } = withParts('Postgres');

const MINUTES = 60_000;
const clean: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});

async function startServer(): Promise<TestPostgres> {
  const postgres = await startPostgres();
  clean.push(() => postgres.close());
  return postgres;
}

async function startOn(url: string): Promise<Fleet> {
  const fleet = await startFleet({ env: { DATABASE_URL: url } });
  clean.push(() => fleet.close());
  return fleet;
}

/** Whether every instance reports this status at /readyz. */
async function areReady(fleet: Fleet, status: number): Promise<boolean> {
  const urls = fleet.instances.map(({ port }) => `http://localhost:${port}/readyz`);
  const responses = await Promise.all(urls.map((url) => fetch(url)));
  return responses.every((response) => response.status === status);
}

const statuses = (responses: TimedResponse[]) =>
  [...new Set(responses.map(({ status }) => status))].toSorted((one, other) => one - other);

describe('two instances on PostgreSQL', () => {
  it('respond with a fast 503 in an outage under load, sign nobody out, and refresh once a session', async () => {
    const postgres = await startServer();
    const fleet = await startOn(postgres.url);
    const browsers = await Promise.all(times(6, () => signInAt(fleet.url)));
    const profile = `${fleet.url}/profile`;
    fleet.authKit.control.reset();
    const begin = await underLoad(browsers, profile, async () => {
      await postgres.stop();
      await until(() => areReady(fleet, 503));
      expect((await fetch(`${fleet.url}/`)).status).toBe(200);
    });
    expect([200, 503]).toEqual(expect.arrayContaining(statuses(begin)));
    expect(statuses(begin)).toContain(503);
    expect(slowest(begin, 503)).toBeLessThan(2_500);
    // All access tokens become due during the outage.
    await fleet.pass(4.5 * MINUTES);
    const end = await underLoad(browsers, profile, async () => {
      await postgres.start();
      await until(() => areReady(fleet, 200));
    });
    expect([200, 503]).toEqual(expect.arrayContaining(statuses(end)));
    const copies = browsers.flatMap((browser) => [browser, browser, browser]);
    // Ready for one write is not yet ready for all at once: the pool is still connecting.
    await until(async () => {
      const pages = await Promise.all(copies.map((browser) => browser.get(profile)));
      expect(pages.every(({ status }) => status === 200 || status === 503)).toBe(true);
      return pages.every(({ status }) => status === 200);
    });
    expect(fleet.authKit.control.requests().token).toBe(browsers.length);
    const told = fleet.log.filter(({ event }) => event === 'store_unreachable');
    expect(told).toHaveLength(fleet.instances.length);
  });

  it('keep users signed in, and sign in new ones within seconds, once a standby is the primary', async () => {
    const first = await startServer();
    const second = await first.startStandby();
    clean.push(() => second.close());
    const address = await startAddress(first.port);
    clean.push(async () => address.close());
    const fleet = await startOn(first.url.replace(`${first.port}`, `${address.port}`));
    const browser = await signInAt(fleet.url);
    const sent = await first.sql('SELECT pg_current_wal_lsn() AS at');
    await until(async () => {
      const [row] = await second.sql(
        `SELECT pg_last_wal_replay_lsn() >= '${String(sent[0]?.['at'])}' AS is_there`,
      );
      return row?.['is_there'] === true;
    });
    await first.stop();
    await until(() => areReady(fleet, 503));
    await second.promote();
    address.leadTo(second.port);
    const promotedAt = performance.now();
    await until(() =>
      signInAt(fleet.url).then(
        () => true,
        () => false,
      ),
    );
    expect(performance.now() - promotedAt).toBeLessThan(10_000);
    await until(() => areReady(fleet, 200));
    expect((await browser.get(`${fleet.url}/profile`)).status).toBe(200);
  });

  it('count the requests of an address together, and let them through while it is down', async () => {
    const postgres = await startServer();
    const env = { DATABASE_URL: postgres.url, RATE_LIMIT: '5' };
    const apps = await Promise.all([startTestApp({ env }), startTestApp({ env })]);
    for (const app of apps) clean.push(() => app.close());
    const logins = async (count: number, app: number) => {
      const found: number[] = [];
      for (let at = 0; at < count; at += 1)
        found.push((await new Browser().get(`${apps[app]?.url}/login`)).status);
      return found;
    };
    expect(await logins(3, 0)).toEqual([302, 302, 302]);
    expect(await logins(3, 1)).toEqual([302, 302, 429]);
    expect(await logins(1, 0)).toEqual([429]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    clean.push(async () => void vi.useRealTimers());
    expect(await logins(6, 1)).toEqual([302, 302, 302, 302, 302, 429]);
    await postgres.stop();
    expect(new Set(await logins(12, 0))).toEqual(new Set([302]));
    await postgres.start();
    await vi.waitFor(async () => expect(await logins(6, 0)).toContain(429), 10_000);
  });
});
