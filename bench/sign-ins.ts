// The time of a sign-in, compared with the documented set-up of the libraries (peers/documented.mjs)
// and with the bare protocol (peers/bare-client.mjs).
import { Browser } from '../test/support/browser/browser.ts';
import { signIn } from './accounts.ts';
import { ratios, spread, type Spread } from './load.ts';
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

// Well below the 50 sessions that a user may have: beyond, each sign-in also ends the oldest.
const ROUNDS_PER_SIGN_OUT = 30;

/**
 * Each round signs in at every server once, in random order: what ran right before a server may slow
 * it down.
 */
export async function measureSignIns(world: World, times: number): Promise<SignIns> {
  const [documented, onRedis] = PEERS;
  if (!documented || !onRedis) throw new Error('the documented set-up is missing');
  const own = await world.startOurs('embedded');
  const ownOnRedis = await world.startOurs('redis');
  const before = world.before ? [await world.startOurs('embedded, before')] : [];
  const servers = [
    await world.startPeer(BARE_CLIENT),
    await world.startPeer(documented),
    own,
    // Both keep the session outside the process.
    await world.startPeer(onRedis),
    ownOnRedis,
    ...before,
  ];
  const milliseconds = servers.map((): number[] => []);
  let requests = 0;
  for (let round = -WARM_UP; round < times; round += 1) {
    if (round % ROUNDS_PER_SIGN_OUT === 0) await signOutEverywhere([own, ownOnRedis, ...before]);
    for (const [index, server] of shuffled([...servers.entries()])) {
      const requestsBefore = upstreamRequests(world);
      const time = await timed(() => runSignIn(server));
      if (round < 0) continue;
      milliseconds[index]?.push(time);
      if (server === own) requests += upstreamRequests(world) - requestsBefore;
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

function shuffled<T>(list: T[]): T[] {
  const keyed = list.map((item) => ({ item, key: Math.random() }));
  return keyed.toSorted((one, other) => one.key - other.key).map(({ item }) => item);
}

/** Ends the user's sessions at these servers of this project. */
async function signOutEverywhere(servers: Server[]): Promise<void> {
  for (const { url } of servers) {
    const { browser } = await signIn(url);
    await browser.open(`${url}/sessions`);
    await browser.press('Sign out everywhere');
  }
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
