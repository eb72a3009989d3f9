// The health checks for load balancers: the process is alive, and it can sign users in.
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { signIn, startTestApp, untilReady, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { passMonotonic } from '../../support/clock/monotonic.ts';
import { startRedis, type TestRedis } from '../../support/store/redis.ts';
import { withParts } from '../../support/machine/with-parts.ts';

const { describe } = withParts('redis-server');

let app: TestApp;
let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
  app = await startTestApp({ env: { REDIS_URL: redis.url } });
  await untilReady(app);
});
afterAll(async () => {
  await app.close();
  await redis.close();
});

async function ask(path: string) {
  const { status, headers, body } = await new Browser().fetch(`${app.url}${path}`);
  expect(headers['cache-control']).toBe('no-store');
  expect(headers['set-cookie']).toBeUndefined();
  return { status, body: JSON.parse(body) as unknown };
}

describe('with issuer and store reachable', () => {
  it('/healthz and /readyz give 200', async () => {
    expect(await ask('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await ask('/readyz')).toMatchObject({
      status: 200,
      body: { status: 'ok', issuer: 'ready', store: 'ready' },
    });
  });

  it('/readyz allows GET and HEAD only', async () => {
    expect((await fetch(`${app.url}/readyz`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${app.url}/readyz`, { method: 'POST' })).status).toBe(404);
  });
});

describe('with the store unreachable', () => {
  it('/readyz gives 503 and names the store until it is back, and /healthz stays at 200', async () => {
    const browser = await signIn(app);
    await redis.stop();
    expect(await ask('/readyz')).toMatchObject({
      status: 503,
      body: { status: 'down', missing: ['store'], issuer: 'ready', store: 'unreachable' },
    });
    expect((await ask('/healthz')).status).toBe(200);
    const page = await browser.get('/profile');
    expect([page.status, Number(page.headers['retry-after']) > 0]).toEqual([503, true]);
    expect(page.body).toContain('<code>store_unavailable</code>');

    await redis.start();
    await untilReady(app);
    expect(await ask('/readyz')).toMatchObject({ status: 200 });
  });
});

describe('with a store that responds but is not usable', () => {
  it.each([
    ['a replica', 'REPLICAOF 127.0.0.1 1', 'REPLICAOF NO ONE', 'readonly', /replica/],
    ['full', 'CONFIG SET maxmemory 1', 'CONFIG SET maxmemory 0', 'full', /no room/],
    [
      'without the right to run scripts',
      'ACL SETUSER default -@scripting',
      'ACL SETUSER default +@all',
      'failed',
      /refuses a command/,
    ],
  ])('/readyz gives 503 with the reason while it is %s', async (_, begin, end, store, reason) => {
    await untilReady(app);
    await redis.command(begin);
    // A write is tried every three seconds.
    passMonotonic(3_000);
    expect(await ask('/readyz')).toEqual({
      status: 503,
      body: {
        status: 'down',
        missing: ['store'],
        issuer: 'ready',
        store,
        reason: expect.stringMatching(reason),
      },
    });
    await redis.command(end);
    passMonotonic(3_000);
    expect(await ask('/readyz')).toMatchObject({ status: 200, body: { store: 'ready' } });
  });
});

describe('with an AuthKit that is silent', () => {
  it('/readyz responds with 200 within a second', async () => {
    const { control } = app.authKit;
    onTestFinished(() => control.reset());
    await untilReady(app);
    const before = control.requests().discovery;
    control.fault({ endpoint: 'discovery', kind: 'silent' });
    // /readyz asks AuthKit again only after some seconds.
    passMonotonic(10_000);
    const startedAt = performance.now();
    const { status } = await fetch(`${app.url}/readyz`);
    expect(status).toBe(200);
    expect(control.requests().discovery).toBeGreaterThan(before);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
