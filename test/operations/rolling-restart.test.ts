// A deploy restarts two instances one after the other, while users read and write through a load
// balancer: none of their requests fails.
import type { RequestOptions } from 'node:https';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { startFleet, times, until, type Fleet } from '../support/app/instances.ts';
import { Browser } from '../support/browser/browser.ts';
import { startProxy, type Proxy, type ProxyName } from '../support/deploy/proxies.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, it } = withParts('redis-server', 'nginx', 'caddy');

const USERS = 6;
/** The default in production. */
const GRACE_SECONDS = 5;

let redis: TestRedis;
let fleet: Fleet;
let proxy: Proxy;
let origin: string;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
afterEach(async () => {
  await proxy.close();
  await fleet.close();
});

interface Setup {
  graceSeconds: number;
  edit?: (text: string) => string;
}

async function start(name: ProxyName, { graceSeconds, edit }: Setup): Promise<void> {
  const baseUrl = new URL(`https://forum.localhost:${await freePort()}`);
  ({ origin } = baseUrl);
  const env = {
    BASE_URL: origin,
    REDIS_URL: redis.url,
    TRUST_PROXY: '1',
    SHUTDOWN_GRACE_SECONDS: `${graceSeconds}`,
  };
  fleet = await startFleet({ env, authKit: { redirectUris: [`${origin}/callback`] } });
  const [first, second] = fleet.instances.map(({ port }) => port);
  const instances: [number, number] = [first ?? 0, second ?? 0];
  const httpPort = await freePort();
  proxy = await startProxy(name, { baseUrl, httpPort, instances, ...(edit && { edit }) });
}

const lookup: RequestOptions['lookup'] = (_host, { all }, found) =>
  all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);

const statusOf = ({ status }: { status: number }) => status;

/** Restarts both instances while users read and write; returns how many requests were sent and lost. */
async function restartUnderLoad(isNextReady: (port: number) => Promise<boolean>) {
  const restarts = new AbortController();
  const lost: (number | string)[] = [];
  let sent = 0;
  const send = async (request: Promise<{ status: number }>) => {
    sent += 1;
    const outcome = await request.then(statusOf, (error: Error) => error.message);
    if (outcome !== 200 && outcome !== 303) lost.push(outcome);
  };
  const browsers = times(USERS, () => new Browser({ ca: proxy.ca, lookup }));
  for (const browser of browsers) {
    await browser.open(`${origin}/profile`);
    await browser.follow(await browser.press('Bruno'));
  }
  const users = browsers.map(async (browser) => {
    while (!restarts.signal.aborted) {
      await send(browser.get(`${origin}/profile`));
      await send(browser.post(`${origin}/draft`, { draft: `draft ${sent}` }));
    }
  });
  for (const index of [0, 1]) {
    await fleet.replace(index);
    await until(() => isNextReady(fleet.instances[index]?.port ?? 0), 30_000);
  }
  restarts.abort();
  await Promise.all(users);
  return { sent, lost };
}

/** What the instances and the balancer say about the requests that they refused. */
const reports = () =>
  [...fleet.log.filter(({ level }) => level === 'error'), proxy.output()]
    .map((report) => (typeof report === 'string' ? report : JSON.stringify(report)))
    .join('\n');

async function isReady(port: number): Promise<boolean> {
  return (await new Browser().fetch(`http://localhost:${port}/readyz`)).status === 200;
}

/**
 * Takes Caddy's retries away, and lets a response name the instance that it came from. Without
 * retries, Caddy's round_robin can pass over the only instance that is up, if another request takes
 * its turn in between: it then responds with 503 "no upstreams available".
 */
const withoutRetries = (text: string) =>
  text
    .replace('lb_policy round_robin', 'lb_policy random')
    .replace(
      /lb_try_duration 5s\n\s*fail_duration 2s/,
      'header_down X-Instance {rp.upstream.hostport}',
    );

/** Whether Caddy has noticed that the instance is back: a deploy waits for that. */
async function isServing(port: number): Promise<boolean> {
  const page = await new Browser({ ca: proxy.ca, lookup }).get(`${origin}/signed-out`);
  return page.headers['x-instance'] === `127.0.0.1:${port}`;
}

describe('Caddy, configured with the file of deploy, but without its retries', () => {
  it('loses no request, since /readyz announces the end', async () => {
    await start('Caddy', { graceSeconds: GRACE_SECONDS, edit: withoutRetries });
    const { sent, lost } = await restartUnderLoad(isServing);
    expect(sent).toBeGreaterThan(100);
    expect(lost, reports()).toEqual([]);
  });

  it('loses requests without a grace period', async () => {
    await start('Caddy', { graceSeconds: 0, edit: withoutRetries });
    const { lost } = await restartUnderLoad(isServing);
    expect(lost).toContain(502);
  });
});

it('nginx, configured with the file of deploy, loses no request, though it does not ask /readyz', async () => {
  await start('nginx', { graceSeconds: GRACE_SECONDS });
  const { sent, lost } = await restartUnderLoad(isReady);
  expect(sent).toBeGreaterThan(100);
  expect(lost, reports()).toEqual([]);
});
