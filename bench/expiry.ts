// Goal 7: 50 concurrent requests when a refresh is due.
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { signIn } from './accounts.ts';
import { asBrowser, load, spread, statusOf, type Spread } from './load.ts';
import type { Server } from './processes.ts';
import { NO_REQUESTS, timed } from './sign-ins.ts';
import type { World } from './world.ts';

export interface Expiry {
  requests: number;
  failed: number;
  exchanges: number;
  /** Milliseconds of a single request that refreshes, and of the slowest of all at once. */
  alone: Spread;
  slowest: Spread;
}

const LIFETIME_S = 5;
const AT_ONCE = 50;
const WARM_UP_S = 3;

/** Measures `times` times, each with a new session whose access token is due for a refresh. */
export async function measureExpiry(world: World, times: number): Promise<Expiry> {
  const server = await world.startOurs('embedded');
  const { control } = world.authKit;
  control.setAccessTokenSeconds({ seconds: LIFETIME_S });
  const cookies: string[] = [];
  for (let session = 0; session < 2 * times + 2; session += 1) {
    cookies.push((await signIn(server.url)).cookie);
  }
  control.setAccessTokenSeconds({ seconds: 300 });
  await delay(LIFETIME_S * 1000);
  const [first = '', second = '', ...rest] = cookies;
  // Warm up, so that compiling the code is not measured.
  await load(server, { path: '/profile', headers: asBrowser(first) }, WARM_UP_S);
  for (let warm = 0; warm < 20; warm += 1) await atOnce(server, second, AT_ONCE);
  const result = { alone: [] as number[], slowest: [] as number[], failed: 0, exchanges: 0 };
  for (let time = 0; time < times; time += 1) {
    const [single = '', shared = ''] = rest.slice(2 * time);
    result.alone.push((await atOnce(server, single, 1)).slowest);
    const before = { ...NO_REQUESTS, ...control.requests() }.token;
    const { slowest, failed } = await atOnce(server, shared, AT_ONCE);
    result.exchanges += { ...NO_REQUESTS, ...control.requests() }.token - before;
    result.slowest.push(slowest);
    result.failed += failed;
  }
  agent.destroy();
  await server.stop();
  const { failed, exchanges } = result;
  const [alone, slowest] = [spread(result.alone), spread(result.slowest)];
  return { requests: AT_ONCE, failed, exchanges: exchanges / times, alone, slowest };
}

// Connections stay open, as those of a proxy do.
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

async function atOnce(server: Server, cookie: string, count: number) {
  let failed = 0;
  const times = await Promise.all(
    Array.from({ length: count }, () =>
      timed(async () => {
        if ((await statusOf(`${server.url}/profile`, asBrowser(cookie), agent)) !== 200)
          failed += 1;
      }),
    ),
  );
  return { slowest: Math.max(...times), failed };
}
