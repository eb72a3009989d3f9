// Goal 4: what a sign-in costs beside the bare protocol.
import { createHash, randomBytes } from 'node:crypto';
import { Browser } from '../test/support/browser.ts';
import { spread, type Spread } from './load.ts';
import type { Server } from './processes.ts';
import type { World } from './world.ts';

export interface SignIns {
  upstreamRequests: number;
  ours: Spread;
  bareProtocol: Spread;
  ratio: Spread;
}

/** Sign-ins after the first, one bare one and one of ours in turn. Times in milliseconds. */
export async function measureSignIns(world: World, times: number): Promise<SignIns> {
  const server = await world.startOurs('embedded');
  for (let warm = 0; warm < 10; warm += 1) {
    await ourSignIn(server);
    await bareSignIn(world, server);
  }
  const upstream = () => {
    const { token, userinfo, jwks, discovery } = { ...NONE, ...world.authKit.control.requests() };
    return token + userinfo + jwks + discovery;
  };
  const ours: number[] = [];
  const bare: number[] = [];
  let requests = 0;
  for (let time = 0; time < times; time += 1) {
    bare.push(await timed(() => bareSignIn(world, server)));
    const before = upstream();
    ours.push(await timed(() => ourSignIn(server)));
    requests += upstream() - before;
  }
  await server.stop();
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
async function ourSignIn(server: Server): Promise<void> {
  const browser = new Browser();
  await browser.open(`${server.url}/login?return_to=/profile`);
  let page = await browser.press('Bruno');
  while (page.location && page.location.pathname !== '/profile') {
    page = await browser.get(page.location);
  }
  if (page.location === undefined)
    throw new Error(`no sign-in: ${page.status} at ${page.url.pathname}`);
}

/** The same round trips without a client in between: authorize, the screens, token. */
async function bareSignIn({ authKit }: World, server: Server): Promise<void> {
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const verifier = randomBytes(32).toString('base64url');
  const redirectUri = `${server.url}/callback`;
  const authorize = new URL(`${authKit.issuer}/oauth2/authorize`);
  authorize.search = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    state: 'bare',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const browser = new Browser();
  await browser.open(authorize);
  let page = await browser.press('Bruno');
  while (page.location && page.location.pathname !== '/callback') {
    page = await browser.get(page.location);
  }
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code: page.location?.searchParams.get('code') ?? '',
    redirect_uri: redirectUri,
    client_id: clientId,
    client_secret: clientSecrets[0],
    code_verifier: verifier,
  });
  const answer = await fetch(`${authKit.issuer}/oauth2/token`, { method: 'POST', body });
  if (answer.status !== 200) throw new Error(`bare sign-in: ${answer.status}`);
  await answer.arrayBuffer();
}
