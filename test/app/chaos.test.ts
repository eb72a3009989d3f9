// Production outages, done to real processes under load: every user stays signed in, and every
// request gets a response.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Browser } from '../support/browser/browser.ts';
import {
  countByStatus,
  signInAt,
  startFleet,
  times,
  until,
  visit,
  type Fleet,
} from '../support/app/instances.ts';
import { slowest, underLoad, type TimedResponse } from '../support/browser/load.ts';
import { LocalClient } from '../support/authkit/local-client.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe } = withParts('redis-server');

const MINUTES = 60_000;
const OLD = 'a-secret-of-the-tests-0123456789-abcdef';
const NEW = 'the-next-secret-of-the-tests-9876543210';

let redis: TestRedis;
let fleet: Fleet;
let browsers: Browser[];

const profile = () => `${fleet.url}/profile`;
const statusOf = async (path: string, headers = {}) =>
  (await fetch(`${fleet.url}${path}`, { headers })).status;
/** Whether every instance reports this status at /readyz. */
async function areReady(status: number): Promise<boolean> {
  const urls = fleet.instances.map(({ port }) => `http://localhost:${port}/readyz`);
  const responses = await Promise.all(urls.map((url) => fetch(url)));
  return responses.every((response) => response.status === status);
}
const statuses = (responses: TimedResponse[]) =>
  [...new Set(responses.map(({ status }) => status))].toSorted((one, other) => one - other);

async function expectAllSignedIn(): Promise<void> {
  const pages = await Promise.all(browsers.map((browser) => browser.get(profile())));
  expect(countByStatus(pages)).toEqual({ 200: browsers.length });
}

/** An access token of another application, for calls to the API. */
async function accessToken(): Promise<string> {
  const { issuer, applications } = fleet.authKit;
  const { clientId, clientSecrets } = applications.firstParty;
  const client = new LocalClient(issuer, clientId, clientSecrets[0]);
  const redirect = { redirect_uri: `${fleet.url}/callback` };
  return (await client.signIn({ person: 'Ada' }, redirect))['access_token'] ?? '';
}

beforeAll(async () => {
  redis = await startRedis({ persist: true });
  fleet = await startFleet({ env: { REDIS_URL: redis.url, SESSION_SECRET: OLD } });
  browsers = [];
  for (const _ of times(6, Number)) browsers.push(await signInAt(fleet.url));
});
afterAll(async () => {
  await fleet.close();
  await redis.close();
});
afterEach(expectAllSignedIn);

describe('under load', () => {
  it('responds with a fast 503 while Redis is down, and keeps serving public pages and the API', async () => {
    const headers = { authorization: `Bearer ${await accessToken()}` };
    const responses = await underLoad(browsers, profile(), async () => {
      await redis.stop();
      await until(() => areReady(503));
      const paths = ['/', '/signed-out', '/assets/styles.css', '/healthz'];
      expect(await Promise.all(paths.map((path) => statusOf(path)))).toEqual([200, 200, 200, 200]);
      expect(await statusOf('/api/me', headers)).toBe(200);
      const page = await browsers[0]?.get(profile());
      expect([page?.status, page?.headers['retry-after']]).toEqual([503, '5']);
      expect(page?.body).toContain('store_unavailable');
      await redis.start();
      await until(() => areReady(200));
    });
    expect(statuses(responses)).toEqual([200, 503]);
    expect(slowest(responses, 503)).toBeLessThan(2_500);
  });

  it('lets only the first requests wait for a silent Redis, and responds to the rest at once', async () => {
    const responses = await underLoad(browsers, profile(), async () => {
      redis.pause();
      await until(() => areReady(503));
      const quick = performance.now();
      expect((await browsers[0]?.get(profile()))?.status).toBe(503);
      expect(performance.now() - quick).toBeLessThan(900);
      expect(await statusOf('/')).toBe(200);
      redis.resume();
      await until(() => areReady(200));
    });
    expect([200, 503]).toEqual(expect.arrayContaining(statuses(responses)));
    expect(slowest(responses, 503)).toBeLessThan(2_500);
  });

  it('keeps refreshed tokens while Redis is down, and saves them when it is back', async () => {
    const [browser] = browsers;
    if (!browser) throw new Error('no browser is signed in');
    await fleet.pass(4.5 * MINUTES);
    const { control } = fleet.authKit;
    control.reset();
    control.fault({ endpoint: 'token', kind: 'slow', seconds: 1, requests: 1 });
    const inFlight = visit(browser, fleet, 0, '/profile');
    await until(() => control.requests().token === 1);
    await redis.stop();
    expect((await inFlight).status).toBe(503);
    await redis.start();
    await until(async () => (await visit(browser, fleet, 1, '/profile')).status === 200);
    // The spent refresh token is never sent again.
    expect(control.requests().token).toBe(1);
  });

  it('keeps every user signed in while instances restart with rotated secrets as tokens expire', async () => {
    fleet.authKit.control.reset();
    await fleet.pass(5 * MINUTES);
    const responses = await underLoad(browsers, profile(), async () => {
      // Every instance must know the new secret before any of them seals with it.
      for (const secrets of [`${OLD},${NEW}`, `${NEW},${OLD}`]) {
        for (const index of [0, 1]) await fleet.replace(index, { SESSION_SECRET: secrets });
      }
    });
    expect(statuses(responses)).toEqual([200]);
    expect(fleet.authKit.control.requests().token).toBe(browsers.length);
  }, 60_000);
});
