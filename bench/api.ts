// The cost of a bearer guard, as a ratio to the same route without one; and of the app's own GET /api/me, which
// also looks the user up. Each takes turns with a route without a guard, with a digest alone and with jose alone.
import { pathToFileURL } from 'node:url';
import { signIn, userToken } from './accounts.ts';
import { costs, inTurn, load, ratios, speeds, spread, type Sample, type Spread } from './load.ts';
import type { Server } from './processes.ts';
import { takeTurns, type Entrant, type Measured, type TurnPlan } from './turns.ts';
import { PROJECT, startPlain, type Kind, type World } from './world.ts';

export interface ApiRow {
  name: string;
  /** Requests per second ÷ those of the route without a guard. */
  ratio: Spread;
  /** CPU time of a request without a guard ÷ that of this one. */
  cpuRatio: Spread;
  /** Requests per second ÷ those of jose alone. */
  toJose: Spread;
  /** CPU time of a request with jose alone ÷ that of this one. */
  cpuToJose: Spread;
  /** Requests per second ÷ those of a digest of the token without a check. */
  toDigest: Spread;
  cpu: Spread;
}

type Start = () => Promise<Entrant>;

const NO_GUARD = 'no guard';
const JOSE = 'jose alone';
const DIGEST = 'a digest of the token, no check';
/** The guards of bench/peers/api.mjs. */
const OWN = { 'a token seen before': 'seen', 'a new token': 'new' } as const;
const OTHERS = {
  'no guard, another process': 'none',
  'a digest of the token, and jose': 'digest and jose',
  'express-oauth2-jwt-bearer': 'express-oauth2-jwt-bearer',
} as const;

/** `rows`: whether other guards and versions are measured too. */
export async function measureApi(
  world: World,
  plan: TurnPlan,
  rows: 'all' | 'own',
): Promise<ApiRow[]> {
  const { before } = world;
  const guarded = (name: string, guard: string, version?: string) => () =>
    enterGuarded(world, { name, guard, ...(version !== undefined && { version }) });
  const starts: Start[] = Object.entries(OWN).map(([kind, guard]) =>
    guarded(`this project, ${kind}`, guard),
  );
  if (rows === 'all') {
    for (const [name, guard] of Object.entries(OTHERS)) starts.push(guarded(name, guard));
    if (before) {
      for (const [kind, guard] of Object.entries(OWN))
        starts.push(guarded(`${before.commit}, ${kind}`, guard, before.folder));
    }
    starts.push(...ownApis(world));
  }
  const references = [guarded(NO_GUARD, 'none'), guarded(JOSE, 'jose'), guarded(DIGEST, 'digest')];
  const measured = starts.map((): Turns[] => []);
  for (let round = 0; round < plan.starts; round += 1) {
    for (const [index, start] of inTurn([...starts.entries()], round)) {
      const [unchecked, jose, digest, own] = await takeTurns([...references, start], plan);
      if (unchecked && jose && digest && own)
        measured[index]?.push({ ...own, unchecked, jose, digest });
    }
  }
  const all = measured.flat();
  const rowsOfReferences = (['unchecked', 'jose', 'digest'] as const).map((reference) =>
    all.map((turns) => ({ ...turns, ...turns[reference] })),
  );
  return [...rowsOfReferences, ...measured].map(rowOf);
}

interface Turns extends Measured {
  /** In the same round of turns as each sample. */
  unchecked: Measured;
  jose: Measured;
  digest: Measured;
}

function rowOf(all: Turns[]): ApiRow {
  const own = all.flatMap(({ samples }) => samples);
  const unchecked = all.flatMap((turns) => turns.unchecked.samples);
  const jose = all.flatMap((turns) => turns.jose.samples);
  const digest = all.flatMap((turns) => turns.digest.samples);
  return {
    name: all[0]?.name ?? '',
    ratio: ratios(speeds(own), speeds(unchecked)),
    cpuRatio: ratios(costs(unchecked), costs(own)),
    toJose: ratios(speeds(own), speeds(jose)),
    cpuToJose: ratios(costs(jose), costs(own)),
    toDigest: ratios(speeds(own), speeds(digest)),
    cpu: spread(costs(own)),
  };
}

const file = (folder: string, path: string) => pathToFileURL(`${folder}/${path}`).href;

async function enterGuarded(
  world: World,
  { name, guard, version = PROJECT }: { name: string; guard: string; version?: string },
): Promise<Entrant> {
  const API = JSON.stringify({
    guard,
    audience: world.authKit.environmentClientId,
    bearer: file(version, 'dist/bearer/index.js'),
    server: file(PROJECT, 'dist/process/http-server.js'),
    lru: file(PROJECT, 'node_modules/lru-cache/dist/esm/index.js'),
  });
  const server = await startPlain(world, name, 'api.mjs', { API });
  return entrant(server, '/api', await machineToken(world));
}

const entrant = (server: Server, path: string, token: string): Entrant => ({
  server,
  load: (seconds) => load(server, { path, headers: { Authorization: `Bearer ${token}` } }, seconds),
});

function ownApis(world: World): Start[] {
  const kinds = ['embedded', ...(world.before ? (['embedded, before'] as const) : [])] as const;
  return kinds.map((kind) => () => enterOwnApi(world, kind));
}

/** GET /api/me of the app, with the access token of a user, which lasts five minutes. */
async function enterOwnApi(world: World, kind: Kind): Promise<Entrant> {
  const server = await world.startOurs(kind);
  server.name += ': GET /api/me of a user';
  // Then the user is in its directory.
  await signIn(server.url);
  return entrant(server, '/api/me', await userToken(world));
}

/** GET /api/me, its token seen before, as a ratio to itself without the check. */
export interface OwnApi {
  ratio: Spread;
  /** CPU time of a request without the check ÷ that of one with it. */
  cpuRatio: Spread;
}

export async function measureOwnApi(world: World, plan: TurnPlan): Promise<OwnApi> {
  const kinds = ['embedded', 'embedded, unchecked'] as const;
  const all: [Sample[], Sample[]] = [[], []];
  for (let round = 0; round < plan.starts; round += 1) {
    const starts = kinds.map((kind) => () => enterOwnApi(world, kind));
    const [checked, unchecked] = await takeTurns(starts, plan);
    all[0].push(...(checked?.samples ?? []));
    all[1].push(...(unchecked?.samples ?? []));
  }
  const [checked, unchecked] = all;
  return {
    ratio: ratios(speeds(checked), speeds(unchecked)),
    cpuRatio: ratios(costs(unchecked), costs(checked)),
  };
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
