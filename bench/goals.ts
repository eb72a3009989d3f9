// The seven goals, each with its measured value.
import type { ApiRow } from './api.ts';
import type { Expiry } from './expiry.ts';
import type { GrowthRow } from './growth.ts';
import type { Pages } from './pages.ts';
import type { SignIns } from './sign-ins.ts';
import type { StartRow } from './starts.ts';

export interface Results {
  machine: { cpu: string; cores: number; node: string; date: string; load: string; quick: boolean };
  versions: Record<string, string>;
  pages: Pages;
  profile: [name: string, share: number][];
  api: ApiRow[];
  signIns: SignIns;
  starts: StartRow[];
  growth: GrowthRow[];
  expiry: Expiry;
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

export function goals(results: Results): Goal[] {
  const { signIns, expiry } = results;
  return [
    ...pageGoals(results.pages),
    atLeast('3. a token seen before ÷ no guard', 0.95, apiRatio(results, 'seen')),
    atLeast('3. a new token ÷ no guard', 0.75, apiRatio(results, 'new')),
    atMost('4. requests to AuthKit for a sign-in after the first', 2, signIns.upstreamRequests),
    atMost('4. time of a sign-in ÷ the bare protocol', 1.3, signIns.ratio.median),
    ...startGoals(results.starts),
    ...growthGoals(results.growth),
    atMost(`7. exchanges for ${expiry.requests} requests at expiry`, 1, expiry.exchanges),
    atMost('7. requests of those that failed', 0, expiry.failed, '', 0),
    atMost(
      '7. the slowest, beyond one that renews alone',
      50,
      expiry.slowest.median - expiry.alone.median,
      ' ms',
      0,
    ),
  ];
}

function pageGoals({ rows, redis }: Pages): Goal[] {
  const row = (name: string) => rows.find((one) => one.name === name);
  const ratio = (part: string) => row(part)?.ratio.median ?? Number.NaN;
  const ours = ratio('this project, embedded, as bytes');
  const goalsOfPage = [
    atLeast('1. /profile, embedded store ÷ bare', 0.65, ours),
    atLeast('1. … ÷ documented set-up', 1.5, ours / ratio('documented set-up (MemoryStore)')),
    atLeast('1. … ÷ express-openid-connect', 2.5, ours / ratio('express-openid-connect')),
    atLeast('1. … ÷ @auth/express', 4, ours / ratio('@auth/express')),
    atLeast('1. … ÷ better-auth', 4, ours / ratio('better-auth')),
    atLeast('1. … with the page rendered ÷ bare', 0.65, ratio('this project, embedded')),
    atLeast('2. /profile, Redis ÷ bare', 0.55, ratio('this project, redis, as bytes')),
    atLeast('2. … with the page rendered ÷ bare', 0.55, ratio('this project, redis')),
    atMost('2. Redis commands per request', 1.05, redis.commandsPerRequest),
    atMost('2. writes to a session touched within a minute', 0, redis.writes, '', 0),
  ];
  const apache = row('mod_auth_openidc (C, Apache)')?.cpu.median;
  if (apache === undefined) return goalsOfPage;
  const cpu = row('this project, embedded, as bytes')?.cpu.median ?? Number.NaN;
  const far = atMost('far goal: CPU per page ÷ mod_auth_openidc', 1, cpu / apache);
  return [...goalsOfPage, far];
}

const apiRatio = ({ api }: Results, kind: string) =>
  api.find(({ name }) => name.includes('project') && name.includes(kind))?.ratio.median ??
  Number.NaN;

function startGoals(starts: StartRow[]): Goal[] {
  const [bare, empty, ours] = starts;
  if (!bare || !empty || !ours) return [];
  const time = ours.milliseconds.median / empty.milliseconds.median;
  const memory = (ours.memory.median - bare.memory.median) / MB;
  return [
    atMost('5. start ÷ empty app with the same packages', 1.5, time),
    atMost('5. resident memory beyond bare Express', 60, memory, ' MB', 0),
  ];
}

const named = ({ sessions }: GrowthRow) => sessions.toLocaleString('en');

function growthGoals(growth: GrowthRow[]): Goal[] {
  const list: Goal[] = [];
  for (const store of ['embedded', 'redis'] as const) {
    const rows = growth.filter((row) => row.store === store);
    const [first, many] = rows;
    const last = rows.at(-1);
    if (!first || !many || !last) continue;
    const held = many.memoryPerSession / kB;
    // With few sessions, memory that does not grow with them dominates: the quick form skips this.
    if (many.sessions >= 100_000) {
      list.push(atMost(`6. process memory per session, ${named(many)} (${store})`, 1, held, ' kB'));
    }
    list.push(
      atMost(`6. store bytes per session (${store})`, 2.5, many.storePerSession / kB, ' kB'),
    );
    const growthOfTime = last.cpuPerRequest / first.cpuPerRequest;
    list.push(
      atMost(`6. CPU per page, ${named(last)} sessions ÷ 100 (${store}; flat)`, 1.25, growthOfTime),
    );
  }
  return list;
}
