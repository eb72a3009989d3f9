// The goals, each with its measured value. A run of some parts has the goals of these.
import type { ApiRow, OwnApi } from './api.ts';
import type { Expiry } from './expiry.ts';
import type { GrowthRow } from './growth.ts';
import type { Spread } from './load.ts';
import type { NodeRow } from './nodes.ts';
import type { Pages } from './pages.ts';
import type { SignIns } from './sign-ins.ts';
import type { StartRow } from './starts.ts';

export interface Results {
  machine: {
    cpu: string;
    cores: number;
    node: string;
    date: string;
    load: string;
    pollMs: number;
    quick: boolean;
  };
  versions: Record<string, string>;
  /** The commit that was measured beside this version. */
  before: string | undefined;
  pages?: Pages;
  profile?: [name: string, share: number][];
  api?: ApiRow[];
  ownApi?: OwnApi;
  signIns?: SignIns;
  starts?: StartRow[];
  growth?: GrowthRow[];
  expiry?: Expiry;
  nodes?: NodeRow[];
}

export interface Goal {
  goal: string;
  wanted: string;
  measured: string;
  met: boolean;
}

const MB = 1024 * 1024;
const kB = 1024;

function atLeast(goal: string, least: number, value: number): Goal {
  return { goal, wanted: `≥ ${least}`, measured: value.toFixed(2), met: value >= least };
}

function atMost(goal: string, most: number, value: number, unit = '', digits = 2): Goal {
  const measured = `${value.toFixed(digits)}${unit}`;
  return { goal, wanted: `≤ ${most}${unit}`, measured, met: value <= most };
}

/** Met if the middle half of the rounds reaches the wanted value. */
function withinNoise(goal: string, wanted: number, { median, high }: Spread): Goal {
  const measured = median.toFixed(2);
  return { goal, wanted: `${wanted} within noise`, measured, met: high >= wanted };
}

const AS_BYTES = 'this project, embedded, as bytes';
const APACHE_GOAL = 'CPU of a page of the same bytes ÷ mod_auth_openidc';
const OWN_API_GOAL = 'GET /api/me, a token seen before ÷ itself without the check';
const NONE: Spread = { median: Number.NaN, low: Number.NaN, high: Number.NaN };

export function goals({ pages, api, ownApi, signIns, starts, growth, expiry }: Results): Goal[] {
  return [
    ...(pages ? pageGoals(pages) : []),
    ...(ownApi ? [withinNoise(OWN_API_GOAL, 1, ownApi.ratio)] : []),
    ...(api ? apiGoals(api) : []),
    ...(signIns ? signInGoals(signIns) : []),
    ...(starts ? startGoals(starts) : []),
    ...(growth ? growthGoals(growth) : []),
    ...(expiry ? expiryGoals(expiry) : []),
  ];
}

function pageGoals({ rows, redis }: Pages): Goal[] {
  const row = (name: string) => rows.find((one) => one.name === name);
  const ratio = (name: string) => row(name)?.ratio.median ?? Number.NaN;
  const cpuRatio = (name: string) => row(name)?.cpuRatio.median ?? Number.NaN;
  const lead = (peer: string, least: number) => {
    const value = ratio(AS_BYTES) / ratio(peer);
    return row(peer) ? [atLeast(`/profile, the same bytes ÷ ${peer}`, least, value)] : [];
  };
  const apache = cpuRatio('mod_auth_openidc (C, Apache)');
  return [
    atLeast('/profile ÷ bare, embedded, requests', 0.7, ratio('this project, embedded')),
    atLeast('/profile ÷ bare, embedded, CPU', 0.7, cpuRatio('this project, embedded')),
    atLeast('/profile ÷ bare, Redis, requests', 0.7, ratio('this project, redis')),
    atLeast('/profile ÷ bare, Redis, CPU', 0.7, cpuRatio('this project, redis')),
    ...(Number.isNaN(apache) ? [] : [atMost(APACHE_GOAL, 1.25, apache / cpuRatio(AS_BYTES))]),
    ...lead('documented set-up (MemoryStore)', 1.5),
    ...lead('express-openid-connect', 2.5),
    ...lead('@auth/express', 4),
    ...lead('better-auth', 4),
    atMost('Redis commands per page', 1.05, redis.commandsPerRequest),
    atMost('writes to a session touched within a minute', 0, redis.writes, '', 0),
  ];
}

function apiGoals(rows: ApiRow[]): Goal[] {
  const row = (name: string) => rows.find((one) => one.name === name);
  const seen = row('this project, a token seen before');
  const toJose = (name: string) => row(name)?.toJose.median ?? Number.NaN;
  const unseen = toJose('this project, a new token');
  const toFloor = unseen / toJose('a digest of the token, and jose');
  return [
    withinNoise('API, a token seen before ÷ no guard', 1, seen?.ratio ?? NONE),
    atLeast('its floor: ÷ the digest it is found by', 0.95, seen?.toDigest.median ?? Number.NaN),
    atLeast('API, a new token ÷ jose alone', 0.98, unseen),
    atLeast('its floor: ÷ that digest and jose', 0.98, toFloor),
  ];
}

function signInGoals({ rows, upstreamRequests }: SignIns): Goal[] {
  const own = rows.find(({ name }) => name.startsWith('this project'));
  const ratio = own?.toDocumented.median ?? Number.NaN;
  const [onRedis = Number.NaN, documentedOnRedis = Number.NaN] = [
    'this project, redis',
    'documented set-up on Redis',
  ].map((name) => rows.find((row) => row.name === name)?.toDocumented.median);
  return [
    atMost('requests to AuthKit for a sign-in after the first', 2, upstreamRequests),
    atMost('time of a sign-in ÷ the documented set-up', 1.15, ratio),
    atMost('the same with both on Redis', 1.15, onRedis / documentedOnRedis),
  ];
}

function startGoals(starts: StartRow[]): Goal[] {
  const [bare, empty, ours] = starts;
  if (!bare || !empty || !ours) return [];
  const time = ours.milliseconds.median / empty.milliseconds.median;
  const memory = (ours.memory.median - bare.memory.median) / MB;
  return [
    atMost('start ÷ empty app with the same packages', 1.5, time),
    atMost('resident memory beyond bare Express', 60, memory, ' MB', 0),
  ];
}

/** Wanted kilobytes of the process and of the store per signed-in user, by their number. */
const WANTED_KB: Record<number, [memory: number, embedded: number, redis: number]> = {
  4_000: [2.5, 2.5, 2.5],
  100_000: [0.88, 2.5, 2.5],
};

function growthGoals(growth: GrowthRow[]): Goal[] {
  const list: Goal[] = [];
  for (const store of ['embedded', 'redis'] as const) {
    const rows = growth.filter((row) => row.store === store);
    const [first] = rows;
    const last = rows.at(-1);
    for (const { sessions, memoryPerSession, retainedPerSession, storePerSession } of rows) {
      const [memory, embedded, redis] = WANTED_KB[sessions] ?? [];
      if (memory === undefined) continue;
      const users = `${sessions.toLocaleString('en')} users (${store})`;
      const stored = (store === 'redis' ? redis : embedded) ?? Number.NaN;
      list.push(
        atMost(`memory of the process per user, ${users}`, memory, memoryPerSession / kB, ' kB'),
        atMost(`the same after a collection, ${users}`, memory, retainedPerSession / kB, ' kB'),
        atMost(`the store per user, ${users}`, stored, storePerSession / kB, ' kB'),
      );
    }
    if (!first || !last) continue;
    const growthOfTime = last.cpuPerRequest / first.cpuPerRequest;
    const users = `${last.sessions.toLocaleString('en')} users ÷ 100`;
    list.push(atMost(`CPU per page, ${users} (${store}; flat)`, 1.25, growthOfTime));
  }
  return list;
}

function expiryGoals(expiry: Expiry): Goal[] {
  const beyond = expiry.slowest.median - expiry.alone.median;
  return [
    atMost(`exchanges for ${expiry.requests} requests at expiry`, 1, expiry.exchanges),
    atMost('requests of those that failed', 0, expiry.failed, '', 0),
    atMost('the slowest, beyond one that renews alone', 50, beyond, ' ms', 0),
  ];
}
