// Goal 4: what a sign-in costs beside the bare protocol, which peers/bare-client.mjs speaks.
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

// The code is compiled by then.
const WARM_UP = 20;

/** Sign-ins after the first, one bare one and one of ours in turn. Times in milliseconds. */
export async function measureSignIns(world: World, times: number): Promise<SignIns> {
  const server = await world.startOurs('embedded');
  const client = await world.startPeer(BARE_CLIENT);
  for (let warm = 0; warm < WARM_UP; warm += 1) {
    await throughSignIn(server);
    await throughSignIn(client);
  }
  const upstream = () => {
    const { token, userinfo, jwks, discovery } = { ...NONE, ...world.authKit.control.requests() };
    return token + userinfo + jwks + discovery;
  };
  const ours: number[] = [];
  const bare: number[] = [];
  let requests = 0;
  for (let time = 0; time < times; time += 1) {
    bare.push(await timed(() => throughSignIn(client)));
    const before = upstream();
    ours.push(await timed(() => throughSignIn(server)));
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

export const NONE = { token: 0, userinfo: 0, jwks: 0, discovery: 0 };

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** From the click on "Sign in" to the redirect to the page. */
async function throughSignIn(server: Server): Promise<void> {
  const browser = new Browser();
  await browser.open(`${server.url}/login?return_to=/profile`);
  let page = await browser.press('Bruno');
  while (page.location && page.location.pathname !== '/profile') {
    page = await browser.get(page.location);
  }
  if (page.location === undefined)
    throw new Error(`no sign-in: ${page.status} at ${page.url.pathname}`);
}
