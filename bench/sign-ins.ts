// Goal 4: the time of a sign-in compared with the bare protocol (peers/bare-client.mjs).
import { Browser } from '../test/support/browser/browser.ts';
import { spread, type Spread } from './load.ts';
import type { Server } from './processes.ts';
import { BARE_CLIENT, type World } from './world.ts';

export interface SignIns {
  upstreamRequests: number;
  ours: Spread;
  bareProtocol: Spread;
  ratio: Spread;
}

// Sign-ins before measuring, so that compiling the code is not measured.
const WARM_UP = 20;

/** Alternates sign-ins of the bare client and this project. Times in milliseconds. */
export async function measureSignIns(world: World, times: number): Promise<SignIns> {
  const server = await world.startOurs('embedded');
  const client = await world.startPeer(BARE_CLIENT);
  for (let warm = 0; warm < WARM_UP; warm += 1) {
    await runSignIn(server);
    await runSignIn(client);
  }
  const upstream = () => {
    const { token, userinfo, jwks, discovery } = {
      ...NO_REQUESTS,
      ...world.authKit.control.requests(),
    };
    return token + userinfo + jwks + discovery;
  };
  const ours: number[] = [];
  const bare: number[] = [];
  let requests = 0;
  for (let time = 0; time < times; time += 1) {
    bare.push(await timed(() => runSignIn(client)));
    const before = upstream();
    ours.push(await timed(() => runSignIn(server)));
    requests += upstream() - before;
  }
  await server.stop();
  await client.stop();
  const ratios = ours.map((one, index) => one / (bare[index] ?? Number.NaN));
  return {
    upstreamRequests: requests / times,
    ours: spread(ours),
    bareProtocol: spread(bare),
    ratio: spread(ratios),
  };
}

export const NO_REQUESTS = { token: 0, userinfo: 0, jwks: 0, discovery: 0 };

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
