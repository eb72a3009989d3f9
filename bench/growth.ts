// Goal 6: the memory and storage per session, and whether a page takes longer when there are many
// sessions.
import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sign } from 'cookie-signature';
import { SessionCookie, sessionKey } from '../src/auth/session/cookie.ts';
import type { SessionRecords } from '../src/auth/session/records.ts';
import { SealedSessionStore } from '../src/auth/session/sealed-store.ts';
import { openStore } from '../src/store/index.ts';
import { signIn } from './accounts.ts';
import { asBrowser, load } from './load.ts';
import { SECRET, type World } from './world.ts';

export interface GrowthRow {
  store: 'embedded' | 'redis';
  sessions: number;
  cpuPerRequest: number;
  requestsPerSecond: number;
  /** Bytes per session added after the first ones. */
  memoryPerSession: number;
  storePerSession: number;
}

// The load cycles through the cookies of all sessions, or of an evenly spaced sample of this size.
const MAX_COOKIES = 100_000;
const FIRST = 100;

/** `sizes` ascend; the same process serves throughout. */
export async function measureGrowth(
  world: World,
  kind: GrowthRow['store'],
  sizes: number[],
  seconds: number,
): Promise<GrowthRow[]> {
  if (kind === 'redis') await world.redis.flush();
  const server = await world.startOurs(kind);
  const { cookie } = await signIn(server.url);
  const { store: records } = await openStore({
    file: world.sessionDb(kind),
    ...(kind === 'redis' && { redisUrl: world.redis.url }),
  });
  const store = sealed(records);
  const template = await sessionOf(store, cookie);
  const cookies: string[] = [];
  const rows: GrowthRow[] = [];
  let first = { memory: 0, stored: 0 };
  for (const sessions of [FIRST, ...sizes]) {
    await fill(store, template, cookies, sessions);
    const script = cookieScript(world, cookies);
    // The first run warms up, the second is measured.
    await load(server, { path: '/profile', headers: asBrowser(''), script }, seconds);
    const sample = await load(
      server,
      { path: '/profile', headers: asBrowser(''), script },
      seconds,
    );
    const now = { memory: server.memory(), stored: await storedBytes(world, kind) };
    if (sessions === FIRST) first = now;
    const added = Math.max(1, sessions - FIRST);
    rows.push({
      store: kind,
      sessions,
      cpuPerRequest: sample.cpuPerRequest,
      requestsPerSecond: sample.requestsPerSecond,
      memoryPerSession: (now.memory - first.memory) / added,
      storePerSession: (now.stored - first.stored) / added,
    });
  }
  await server.stop();
  await records.close();
  return rows;
}

const LIFETIMES = { idleMs: 86_400_000, maxMs: 604_800_000 };

function sealed(records: SessionRecords): SealedSessionStore {
  const secrets = [SECRET];
  const cookie = new SessionCookie('', secrets, false);
  return new SealedSessionStore(records, cookie, secrets, LIFETIMES);
}

type Template = Awaited<ReturnType<typeof sessionOf>>;

/** The session that a real sign-in stored, as a template for more sessions. */
async function sessionOf(store: SealedSessionStore, cookie: string) {
  const [, value = ''] = /(?:^|; )session=([^;]+)/.exec(cookie) ?? [];
  const [sid = ''] = decodeURIComponent(value).slice('s:'.length).split('.');
  const data = await new Promise<Parameters<SealedSessionStore['set']>[1]>((resolve, reject) => {
    store.get(sid, (error, found) => (found ? resolve(found) : reject(error)));
  });
  const held = await store.readTokens({ sid, key: sessionKey(sid) });
  const { signedIn } = data;
  if (!held || !signedIn) throw new Error('the new session is not in the store');
  const endsAt = Date.now() + 86_400_000;
  const facts = { ...held.facts, expiresAt: endsAt };
  const { originalMaxAge } = data.cookie;
  const cookieData = { originalMaxAge, expires: new Date(endsAt) };
  const kept = { ...data, cookie: cookieData, signedIn: { ...signedIn, endsAt } };
  return { data: kept, tokens: held.tokens, facts };
}

/** Adds sessions, each of a different user, until there are `count`. */
async function fill(
  store: SealedSessionStore,
  { data, facts, tokens }: Template,
  cookies: string[],
  count: number,
): Promise<void> {
  const { user } = data.signedIn;
  for (let made = cookies.length; made < count; made += 1) {
    const sid = randomBytes(24).toString('base64url');
    const signedIn = { ...data.signedIn, user: { ...user, sub: `${user.sub}${made}` } };
    const newTokens = { tokens, facts, label: 'Chrome on Windows' };
    const own = { ...data, signedIn, newTokens };
    await new Promise<void>((resolve, reject) => {
      store.set(sid, own, (error) => (error ? reject(error) : resolve()));
    });
    cookies.push(`session=${encodeURIComponent(`s:${sign(sid, SECRET)}`)}`);
  }
}

/** A wrk script that sends the next session's cookie with each request. */
function cookieScript({ folder }: World, cookies: string[]): string {
  const step = Math.max(1, Math.ceil(cookies.length / MAX_COOKIES));
  const list = join(folder, 'cookies');
  writeFileSync(list, cookies.filter((_, index) => index % step === 0).join('\n'));
  const script = join(folder, 'cookies.lua');
  writeFileSync(
    script,
    `local cookies, at = {}, 0
for line in io.lines("${list}") do cookies[#cookies + 1] = line end
request = function()
  at = at % #cookies + 1
  wrk.headers["Cookie"] = cookies[at]
  return wrk.format()
end`,
  );
  return script;
}

async function storedBytes(world: World, kind: GrowthRow['store']): Promise<number> {
  if (kind === 'redis') {
    const info = await world.redis.command('INFO memory');
    return Number(/used_memory:(\d+)/.exec(info)?.[1]);
  }
  // The write-ahead log is not counted: its pages replace pages of the file or will be appended.
  const file = world.sessionDb(kind);
  return statSync(file).size;
}
