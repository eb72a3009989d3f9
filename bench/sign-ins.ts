// The time of a sign-in, compared with the documented set-up of the libraries (peers/documented.mjs)
// and with the bare protocol (peers/bare-client.mjs).
import { Browser } from '../test/support/browser/browser.ts';
import { inTurn, ratios, spread, type Spread } from './load.ts';
import { PEERS } from './peers.ts';
import type { Server } from './processes.ts';
import { BARE_CLIENT, type World } from './world.ts';

export interface SignInRow {
  name: string;
  /** Milliseconds. */
  time: Spread;
  /** Sign-in by sign-in. */
  toDocumented: Spread;
  toBareProtocol: Spread;
}

export interface SignIns {
  /** Requests of this project to AuthKit for one sign-in. */
  upstreamRequests: number;
  rows: SignInRow[];
}

// Sign-ins before measuring, so that compiling the code is not measured.
const WARM_UP = 30;

/** Each round signs in at every server once. */
export async function measureSignIns(world: World, times: number): Promise<SignIns> {
  const [documented, onRedis] = PEERS;
  if (!documented || !onRedis) throw new Error('the documented set-up is missing');
  const own = await world.startOurs('embedded');
  const servers = [
    await world.startPeer(BARE_CLIENT),
    await world.startPeer(documented),
    own,
    // Both keep the session outside the process.
    await world.startPeer(onRedis),
    await world.startOurs('redis'),
    ...(world.before ? [await world.startOurs('embedded, before')] : []),
  ];
  const milliseconds = servers.map((): number[] => []);
  let requests = 0;
  for (let round = -WARM_UP; round < times; round += 1) {
    for (const [index, server] of inTurn([...servers.entries()], round + WARM_UP)) {
      const before = upstreamRequests(world);
      const time = await timed(() => runSignIn(server));
      if (round < 0) continue;
      milliseconds[index]?.push(time);
      if (server === own) requests += upstreamRequests(world) - before;
    }
  }
  for (const server of servers) await server.stop();
  const [bare = [], second = []] = milliseconds;
  const rows = servers.map(({ name }, index): SignInRow => {
    const list = milliseconds[index] ?? [];
    return {
      name,
      time: spread(list),
      toDocumented: ratios(list, second),
      toBareProtocol: ratios(list, bare),
    };
  });
  return { upstreamRequests: requests / times, rows };
}

export const NO_REQUESTS = { token: 0, userinfo: 0, jwks: 0, discovery: 0 };

function upstreamRequests({ authKit }: World): number {
  const { token, userinfo, jwks, discovery } = { ...NO_REQUESTS, ...authKit.control.requests() };
  return token + userinfo + jwks + discovery;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Signs in, from the click on "Sign in" to the redirect back to the page. */
async function runSignIn(server: Server): Promise<void> {
  const browser = new Browser();
  await browser.open(`${server.url}/login?return_to=/profile`);
  let page = await browser.press('Bruno');
  while (page.location && page.location.pathname !== '/profile') {
    page = await browser.get(page.location);
  }
  if (page.location === undefined)
    throw new Error(`sign-in failed: ${page.status} at ${page.url.pathname}`);
}
