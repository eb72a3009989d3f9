// The cost of a bearer guard, as a ratio to the same route of the same server without one; and of the
// app's own GET /api/me, which also looks the user up.
import { pathToFileURL } from 'node:url';
import { signIn, userToken } from './accounts.ts';
import { costs, inTurn, load, ratios, speeds, spread, type Sample, type Spread } from './load.ts';
import type { Server } from './processes.ts';
import { PROJECT, startPlain, type World } from './world.ts';

export interface ApiRow {
  name: string;
  /** Requests per second ÷ those of the route without a guard. */
  ratio: Spread;
  /** CPU time of a request without a guard ÷ that of this one. */
  cpuRatio: Spread;
  /** Requests per second ÷ those of jose alone. */
  toJose: Spread;
  cpu: Spread;
}

interface Route {
  name: string;
  server: Server;
  path: string;
  headers: Record<string, string>;
}

const GUARDS = [
  ['no guard', '/unchecked'],
  ['jose alone', '/jose'],
  ['a digest of the token, no check', '/digest'],
  ['a digest of the token, and jose', '/digest-and-jose'],
  ['this project, a token seen before', '/seen'],
  ['this project, a new token', '/new'],
  ['express-oauth2-jwt-bearer', '/express-oauth2-jwt-bearer'],
] as const;

const file = (folder: string, path: string) => pathToFileURL(`${folder}/${path}`).href;

export async function measureApi(world: World, rounds: number, seconds: number): Promise<ApiRow[]> {
  const { before } = world;
  const API = JSON.stringify({
    audience: world.authKit.environmentClientId,
    bearer: file(PROJECT, 'dist/bearer/index.js'),
    ...(before && { before: file(before.folder, 'dist/bearer/index.js') }),
    server: file(PROJECT, 'dist/process/http-server.js'),
    lru: file(PROJECT, 'node_modules/lru-cache/dist/esm/index.js'),
  });
  const server = await startPlain(world, 'API', 'api.mjs', { API });
  const headers = { Authorization: `Bearer ${await machineToken(world)}` };
  const routes: Route[] = GUARDS.map(([name, path]) => ({ name, server, path, headers }));
  if (before) {
    for (const [kind, path] of [
      ['a token seen before', '/seen-before'],
      ['a new token', '/new-before'],
    ] as const)
      routes.push({ name: `${before.commit}, ${kind}`, server, path, headers });
  }
  routes.push(...(await ownApis(world)));
  for (const route of routes) await load(route.server, route, seconds);
  const samples = routes.map((): Sample[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, route] of inTurn([...routes.entries()], round))
      samples[index]?.push(await load(route.server, route, seconds));
  }
  for (const each of new Set(routes.map((route) => route.server))) await each.stop();
  const [unchecked, jose] = samples;
  return routes.map(({ name }, index) => ({
    name,
    ratio: ratios(speeds(samples[index]), speeds(unchecked)),
    cpuRatio: ratios(costs(unchecked), costs(samples[index])),
    toJose: ratios(speeds(samples[index]), speeds(jose)),
    cpu: spread(costs(samples[index])),
  }));
}

/** GET /api/me of the app, with the access token of a user. */
async function ownApis(world: World): Promise<Route[]> {
  const headers = { Authorization: `Bearer ${await userToken(world)}` };
  const kinds = ['embedded', ...(world.before ? (['embedded, before'] as const) : [])] as const;
  const routes: Route[] = [];
  for (const kind of kinds) {
    const server = await world.startOurs(kind);
    // Then the user is in its directory.
    await signIn(server.url);
    routes.push({
      name: `${server.name}: GET /api/me of a user`,
      server,
      path: '/api/me',
      headers,
    });
  }
  return routes;
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
