// The memory and storage per signed-in user, and whether a page takes longer when there are many.
import { randomBytes } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionCookie, sessionKey } from '../src/auth/session/cookie.ts';
import { NEW_SIGN_IN, SealedSessionStore } from '../src/auth/session/sealed-store.ts';
import type { SignedIn } from '../src/auth/sign-in/user.ts';
import type { TokenFacts } from '../src/auth/tokens/token-set.ts';
import { openEntries } from '../src/demo/entries.ts';
import { createUserDirectory } from '../src/demo/user-directory.ts';
import { openEmbeddedStore } from '../src/store/embedded/store.ts';
import { connectRedis } from '../src/store/redis-connection/connection.ts';
import { redisStore } from '../src/store/redis/store.ts';
import { signIn } from './accounts.ts';
import { asBrowser, load, statusOf } from './load.ts';
import { REPORTS_MEMORY, type Server } from './processes.ts';
import { SECRET, type World } from './world.ts';

export interface GrowthRow {
  store: 'embedded' | 'redis';
  sessions: number;
  cpuPerRequest: number;
  requestsPerSecond: number;
  /** Bytes of the process per session added after the first ones: resident, and after a collection. */
  memoryPerSession: number;
  retainedPerSession: number;
  /** With indexes and the entry in the user directory. */
  storePerSession: number;
}

// The load cycles through the cookies of all sessions, or of an evenly spaced sample of this size.
const MAX_COOKIES = 100_000;
const FIRST = 100;
// Sessions written at a time.
const AT_ONCE = 50;

/** `sizes` ascend; the same process serves throughout. */
export async function measureGrowth(
  world: World,
  kind: GrowthRow['store'],
  sizes: number[],
  seconds: number,
): Promise<GrowthRow[]> {
  if (kind === 'redis') await world.redis.flush();
  const server = await world.startOurs(kind, REPORTS_MEMORY);
  const { cookie } = await signIn(server.url);
  const { users, close } = await openUsers(world, kind, cookie);
  const rows: GrowthRow[] = [];
  let first = { memory: 0, retained: 0, stored: 0 };
  for (const sessions of [FIRST, ...sizes]) {
    while (users.cookies.length < sessions)
      await Promise.all(Array.from({ length: AT_ONCE }, () => users.add()));
    const script = cookieScript(world, users.cookies);
    await expectSignedIn(server, users.cookies.at(-1) ?? '');
    const page = { path: '/profile', headers: asBrowser(''), script };
    // The first run warms up, the second is measured. A new process takes longer to reach its size.
    await load(server, page, sessions === FIRST ? seconds * 5 : seconds);
    const { cpuPerRequest, requestsPerSecond } = await load(server, page, seconds);
    const now = {
      memory: server.memory(),
      retained: await server.retained(),
      stored: await storedBytes(world, kind),
    };
    if (sessions === FIRST) first = now;
    const each = (key: keyof typeof now) => (now[key] - first[key]) / Math.max(1, sessions - FIRST);
    rows.push({
      store: kind,
      sessions,
      cpuPerRequest,
      requestsPerSecond,
      memoryPerSession: each('memory'),
      retainedPerSession: each('retained'),
      storePerSession: each('stored'),
    });
  }
  await server.stop();
  await close();
  return rows;
}

async function expectSignedIn({ url }: Server, cookie: string): Promise<void> {
  const status = await statusOf(`${url}/profile`, asBrowser(cookie));
  if (status !== 200) throw new Error(`a made session is not signed in: ${status}`);
}

const LIFETIMES = { idleMs: 86_400_000, maxMs: 604_800_000 };
const HOUR_MS = 3_600_000;
/** Users of one organization. */
const COLLEAGUES = 20;

/** Adds users like the one that is signed in, with everything that a sign-in writes. */
async function openUsers(world: World, kind: GrowthRow['store'], cookie: string) {
  const file = world.sessionDb(kind);
  const redis = kind === 'redis' ? await connectRedis(world.redis.url) : undefined;
  const records = redis ? redisStore(redis) : await openEmbeddedStore({ file });
  const entries = await openEntries(file, redis);
  const directory = createUserDirectory(entries, [SECRET]);
  const [, name = '', value = ''] = /(session[\w-]*)=([^;]+)/.exec(cookie) ?? [];
  const [sid = ''] = decodeURIComponent(value).slice('s:'.length).split('.');
  const sessionCookie = new SessionCookie(name.slice('session'.length), [SECRET], false);
  // Dated an hour ahead: after a minute, a page would record the use of its session, which is a write.
  const insert: typeof records.insert = (key, row) =>
    records.insert(key, { ...row, startedAt: row.startedAt + HOUR_MS });
  const dated = { ...records, insert };
  const store = new SealedSessionStore(dated, sessionCookie, [SECRET], LIFETIMES);
  const template = { sid, key: sessionKey(sid) };
  const { signedIn } = (await store.find(template)) ?? {};
  const held = await store.readTokens(template);
  if (!held || !signedIn) throw new Error('the new session is not in the store');
  const expires = new Date(Date.now() + LIFETIMES.idleMs);
  const cookies: string[] = [];
  let made = 0;

  async function add(): Promise<void> {
    const number = (made += 1);
    const user = { ...signedIn?.user, sub: `user_01JH8V5B0T9Z8Q6W3E${number}` } as SignedIn['user'];
    const claims = { ...signedIn?.claims, sid: `app_consent_01JH8V5B0T${number}` };
    const endsAt = Date.now() + LIFETIMES.maxMs;
    const own = { ...signedIn, user, claims, endsAt } as SignedIn;
    const orgId = `org_01JH8V4ZC2M7N8B9V6${Math.floor(number / COLLEAGUES)}`;
    // Not due for a refresh while this is measured.
    const facts = { ...held?.facts, orgId, expiresAt: endsAt } as TokenFacts;
    const begun = { signedIn: own, tokens: held?.tokens, facts, label: 'Chrome on Windows' };
    const newSid = randomBytes(24).toString('base64url');
    const data = { cookie: { originalMaxAge: LIFETIMES.idleMs, expires }, [NEW_SIGN_IN]: begun };
    await new Promise<void>((resolve, reject) => {
      store.set(newSid, data, (error) => (error ? reject(error) : resolve()));
    });
    await directory.upsert(user);
    cookies.push(`${name}=${encodeURIComponent(sessionCookie.signed(newSid))}`);
  }

  async function close(): Promise<void> {
    await entries.close();
    await records.close();
  }
  return { users: { cookies, add }, close };
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
