// Goals 1 and 2: GET /profile of a signed-in user. Each round loads every server once; ratios are
// to the bare app of the same round.
import { writeFileSync } from 'node:fs';
import { signIn, type Account } from './accounts.ts';
import { apacheCommand, unpackApache } from './apache.ts';
import { asBrowser, load, spread, type Sample, type Spread } from './load.ts';
import { PEERS } from './peers.ts';
import { startServer, type Server } from './processes.ts';
import { SECRET, startPlain, type World } from './world.ts';

export interface PageRow {
  name: string;
  /** Requests per second, relative to the bare app. */
  ratio: Spread;
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

interface Entrant {
  server: Server;
  cookie: string;
}

export async function measurePages(world: World, rounds: number, seconds: number): Promise<Pages> {
  const missing: string[] = [];
  const embedded = await enter(await world.startOurs('embedded'));
  const page = embedded.account.page.body;
  writeFileSync(world.page, page);
  const bare = await startPlain(world, 'bare Express', 'bare.mjs');
  const onRedis = await enter(await world.startOurs('redis, as bytes'));
  const entrants: Entrant[] = [
    { server: bare, cookie: '' },
    await enter(await world.startOurs('embedded, as bytes')),
    onRedis,
    embedded,
    await enter(await world.startOurs('redis')),
  ];
  for (const peer of PEERS) {
    entrants.push(await enter(await world.startPeer(peer), peer.start));
  }
  const apache = await enterApache(world, page).catch((error: unknown) => {
    missing.push(`mod_auth_openidc: ${String(error).slice(0, 200)}`);
  });
  if (apache) entrants.push(apache);
  // Warm up, so that compiling the code is not measured.
  for (const { server, cookie } of entrants) await profilePage(server, cookie, seconds + 1);

  const samples = new Map<Entrant, Sample[]>(entrants.map((entrant) => [entrant, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [{ server, cookie }, list] of samples) {
      list.push(await profilePage(server, cookie, seconds));
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
  const ratios = samples.map(
    ({ requestsPerSecond }, round) =>
      requestsPerSecond / (reference[round]?.requestsPerSecond ?? Number.NaN),
  );
  return {
    name: server.name,
    ratio: spread(ratios),
    cpu: spread(samples.map(({ cpuPerRequest }) => cpuPerRequest)),
    requestsPerSecond: spread(samples.map(({ requestsPerSecond }) => requestsPerSecond)).median,
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
