// GET /profile of a signed-in user. Each round loads every server once; ratios are to the bare app of
// the same round. A second process of the bare app shows how far two equal servers differ.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { signIn, type Account } from './accounts.ts';
import { apacheCommand, unpackApache } from './apache.ts';
import {
  asBrowser,
  costs,
  inTurn,
  load,
  ratios,
  speeds,
  spread,
  type Sample,
  type Spread,
} from './load.ts';
import { PEERS } from './peers.ts';
import { startServer, type Server } from './processes.ts';
import { PROJECT, SECRET, startPlain, type Kind, type World } from './world.ts';

export interface PageRow {
  name: string;
  /** Requests per second ÷ those of the bare app. */
  ratio: Spread;
  /** CPU time of a request of the bare app ÷ that of this one. */
  cpuRatio: Spread;
  /** CPU microseconds per request. */
  cpu: Spread;
  requestsPerSecond: number;
  memory: number;
}

export interface Pages {
  rows: PageRow[];
  bytes: number;
  redis: { commandsPerRequest: number; writes: number; seconds: number };
  missing: string[];
}

const BEFORE: Kind[] = [
  'embedded, as bytes, before',
  'redis, as bytes, before',
  'embedded, before',
  'redis, before',
];

interface Entrant {
  server: Server;
  cookie: string;
}

/** `others`: which other sign-in software is measured too. */
export async function measurePages(
  world: World,
  rounds: number,
  seconds: number,
  others: 'all' | 'apache' | 'none',
): Promise<Pages> {
  const missing: string[] = [];
  const embedded = await enter(await world.startOurs('embedded'));
  const page = embedded.account.page.body;
  writeFileSync(world.page, page);
  const bare = await startPlain(world, 'bare Express', 'bare.mjs');
  const onRedis = await enter(await world.startOurs('redis, as bytes'));
  const entrants: Entrant[] = [
    { server: bare, cookie: '' },
    { server: await startPlain(world, 'bare Express, a second process', 'bare.mjs'), cookie: '' },
    await enter(await world.startOurs('embedded, as bytes')),
    onRedis,
    embedded,
    await enter(await world.startOurs('redis')),
  ];
  entrants.push({ server: await startFloor(world), cookie: '' });
  for (const kind of world.before ? BEFORE : [])
    entrants.push(await enter(await world.startOurs(kind)));
  for (const peer of others === 'all' ? PEERS : []) {
    entrants.push(await enter(await world.startPeer(peer), peer.start));
  }
  if (others !== 'none') {
    const apache = await enterApache(world, page).catch((error: unknown) => {
      missing.push(`mod_auth_openidc: ${String(error).slice(0, 200)}`);
    });
    if (apache) entrants.push(apache);
  }
  // Warm up, so that compiling the code is not measured.
  for (const { server, cookie } of entrants) await profilePage(server, cookie, seconds + 1);

  const samples = new Map<Entrant, Sample[]>(entrants.map((entrant) => [entrant, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const entrant of inTurn(entrants, round)) {
      const { server, cookie } = entrant;
      samples.get(entrant)?.push(await profilePage(server, cookie, seconds));
    }
  }
  const [reference = []] = samples.values();
  const rows = entrants.map((entrant) => row(entrant, samples.get(entrant) ?? [], reference));
  const redis = await redisWork(world, onRedis, seconds);
  for (const { server } of entrants) await server.stop();
  return { rows, bytes: Buffer.byteLength(page), redis, missing };
}

export const profilePage = (server: Server, cookie: string, seconds: number) =>
  load(server, { path: '/profile', headers: asBrowser(cookie) }, seconds);

async function enter(server: Server, start?: Parameters<typeof signIn>[1]) {
  const account: Account = await signIn(server.url, start);
  return { server, cookie: account.cookie, account };
}

/** What a page costs at least with the parts of this project: see peers/floor.mjs. */
function startFloor(world: World): Promise<Server> {
  const dist = pathToFileURL(join(PROJECT, 'dist/')).href;
  const file = join(world.folder, 'floor.db');
  const PARTS = JSON.stringify({ dist, views: join(PROJECT, 'views'), file });
  return startPlain(world, 'its headers, read and view in bare Express', 'floor.mjs', { PARTS });
}

async function enterApache(world: World, page: string): Promise<Entrant> {
  const { clientId, clientSecrets } = world.authKit.applications.firstParty;
  const command = apacheCommand(unpackApache(world.peersFolder), {
    port: world.apachePort,
    issuer: world.authKit.issuer,
    clientId,
    clientSecret: clientSecrets[0],
    secret: SECRET,
    page,
  });
  return enter(await startServer('mod_auth_openidc (C, Apache)', command), (browser, url) =>
    browser.open(`${url}/profile`),
  );
}

function row({ server }: Entrant, samples: Sample[], reference: Sample[]): PageRow {
  return {
    name: server.name,
    ratio: ratios(speeds(samples), speeds(reference)),
    cpuRatio: ratios(costs(reference), costs(samples)),
    cpu: spread(costs(samples)),
    requestsPerSecond: spread(speeds(samples)).median,
    memory: server.memory(),
  };
}

/** Counts the Redis commands while the page is loaded. */
async function redisWork(world: World, { server, cookie }: Entrant, seconds: number) {
  const count = async (pattern: RegExp) =>
    Number(pattern.exec(await world.redis.command('INFO all'))?.[1] ?? 0);
  const COMMANDS = /total_commands_processed:(\d+)/;
  const WRITES = /cmdstat_eval:calls=(\d+)/;
  // One request in advance makes the session's due touch, which must not be counted.
  await fetch(`${server.url}/profile`, { headers: asBrowser(cookie) });
  const before = [await count(COMMANDS), await count(WRITES)] as const;
  const { requests } = await profilePage(server, cookie, seconds);
  const after = [await count(COMMANDS), await count(WRITES)] as const;
  // Less the commands of the counting itself: INFO and QUIT.
  const commands = after[0] - before[0] - 6;
  return { commandsPerRequest: commands / requests, writes: after[1] - before[1], seconds };
}
