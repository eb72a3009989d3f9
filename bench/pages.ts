// GET /profile of a signed-in user. Each server takes turns with a bare app of its own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { signIn, type Account } from './accounts.ts';
import { apacheCommand, unpackApache } from './apache.ts';
import { asBrowser, costs, inTurn, load, ratios, speeds, spread, type Spread } from './load.ts';
import { PEERS } from './peers.ts';
import { startServer, type Server } from './processes.ts';
import { takeTurns, type Entrant, type Measured, type TurnPlan } from './turns.ts';
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

const BARE = 'bare Express';
const OURS: Kind[] = ['embedded', 'redis', 'embedded, as bytes', 'redis, as bytes'];
const BEFORE: Kind[] = [
  'embedded, before',
  'redis, before',
  'embedded, as bytes, before',
  'redis, as bytes, before',
];

type Start = () => Promise<Entrant>;

/** `others`: which other sign-in software is measured too. */
export async function measurePages(
  world: World,
  plan: TurnPlan,
  others: 'all' | 'apache' | 'none',
): Promise<Pages> {
  const missing: string[] = [];
  const page = await pageOfProject(world);
  writeFileSync(world.page, page);
  const starts: Start[] = [
    () => enterPlain(world, 'bare Express, another process', 'bare.mjs'),
    () => enterPlain(world, 'bare Express, on the server of this project', 'own-server.mjs'),
    () => enterPlain(world, 'this project without session and guards', 'floor.mjs'),
    ...[...OURS, ...(world.before ? BEFORE : [])].map(
      (kind) => async () => enter(await world.startOurs(kind)),
    ),
  ];
  for (const peer of others === 'all' ? PEERS : [])
    starts.push(async () => enter(await world.startPeer(peer), peer.start));
  if (others !== 'none') {
    const apache = await enterApache(world, page).catch((error: unknown) => {
      missing.push(`mod_auth_openidc: ${String(error).slice(0, 200)}`);
    });
    await apache?.server.stop();
    if (apache) starts.push(() => enterApache(world, page));
  }

  const measured = starts.map((): Turns[] => []);
  for (let round = 0; round < plan.starts; round += 1) {
    for (const [index, start] of inTurn([...starts.entries()], round)) {
      const [bare, own] = await takeTurns([() => enterPlain(world, BARE, 'bare.mjs'), start], plan);
      if (bare && own) measured[index]?.push({ ...own, bare });
    }
  }
  const rows = measured.map(rowOf);
  rows.push(rowOf(measured.flat().map(({ bare }) => ({ ...bare, bare }))));
  return { rows, bytes: Buffer.byteLength(page), redis: await redisWork(world, plan), missing };
}

interface Turns extends Measured {
  /** The bare app, right before or after each sample. */
  bare: Measured;
}

function rowOf(all: Turns[]): PageRow {
  const own = all.flatMap(({ samples }) => samples);
  const bare = all.flatMap((turns) => turns.bare.samples);
  return {
    name: all[0]?.name ?? '',
    ratio: ratios(speeds(own), speeds(bare)),
    cpuRatio: ratios(costs(bare), costs(own)),
    cpu: spread(costs(own)),
    requestsPerSecond: spread(speeds(own)).median,
    memory: spread(all.map(({ memory }) => memory)).median,
  };
}

async function pageOfProject(world: World): Promise<string> {
  const { server, account } = await enter(await world.startOurs('embedded'));
  await server.stop();
  return account.page.body;
}

export const profilePage = (server: Server, cookie: string, seconds: number) =>
  load(server, { path: '/profile', headers: asBrowser(cookie) }, seconds);

const entrant = (server: Server, cookie: string): Entrant => ({
  server,
  load: (seconds) => profilePage(server, cookie, seconds),
});

async function enter(server: Server, start?: Parameters<typeof signIn>[1]) {
  const account: Account = await signIn(server.url, start);
  return { ...entrant(server, account.cookie), account };
}

/** A file of the peers' folder that needs no sign-in; PARTS is what it takes of this project. */
async function enterPlain(world: World, name: string, file: string): Promise<Entrant> {
  const dist = pathToFileURL(join(PROJECT, 'dist/')).href;
  const db = join(world.folder, 'floor.db');
  const PARTS = JSON.stringify({ dist, views: join(PROJECT, 'views'), file: db });
  return entrant(await startPlain(world, name, file, { PARTS }), '');
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

/** Counts the Redis commands while the page is loaded. */
async function redisWork(world: World, { warmUpSeconds: seconds }: TurnPlan) {
  const { server, account } = await enter(await world.startOurs('redis'));
  const { cookie } = account;
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
  await server.stop();
  return { commandsPerRequest: commands / requests, writes: after[1] - before[1], seconds };
}
