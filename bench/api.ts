// Goal 3: the cost of a bearer guard, as a ratio to the same route of the same server without one.
import { pathToFileURL } from 'node:url';
import { load, spread, type Sample, type Spread } from './load.ts';
import { PROJECT, startPlain, type World } from './world.ts';

export interface ApiRow {
  name: string;
  ratio: Spread;
  cpu: Spread;
}

const ROUTES = [
  ['no guard', '/unchecked'],
  ['this project, a token seen before', '/seen'],
  ['this project, a new token', '/new'],
  ['express-oauth2-jwt-bearer', '/express-oauth2-jwt-bearer'],
  ['jose alone', '/jose'],
] as const;

const file = (path: string) => pathToFileURL(PROJECT + path).href;

export async function measureApi(world: World, rounds: number, seconds: number): Promise<ApiRow[]> {
  const API = JSON.stringify({
    audience: world.authKit.environmentClientId,
    bearer: file('dist/bearer/index.js'),
    lru: file('node_modules/lru-cache/dist/esm/index.js'),
  });
  const server = await startPlain(world, 'API', 'api.mjs', { API });
  const headers = { Authorization: `Bearer ${await machineToken(world)}` };
  for (const [, path] of ROUTES) await load(server, { path, headers }, seconds);
  const samples = ROUTES.map((): Sample[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, [, path]] of ROUTES.entries()) {
      samples[index]?.push(await load(server, { path, headers }, seconds));
    }
  }
  await server.stop();
  const [unchecked = []] = samples;
  return ROUTES.map(([name], index) => {
    const own = samples[index] ?? [];
    const ratios = own.map(
      (sample, round) => sample.requestsPerSecond / (unchecked[round]?.requestsPerSecond ?? 0),
    );
    return { name, ratio: spread(ratios), cpu: spread(own.map((one) => one.cpuPerRequest)) };
  });
}

async function machineToken({ authKit }: World): Promise<string> {
  const { clientId, clientSecret } = authKit.applications.machine;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
  });
  const response = await fetch(`${authKit.issuer}/oauth2/token`, { method: 'POST', body });
  return ((await response.json()) as { access_token: string }).access_token;
}
