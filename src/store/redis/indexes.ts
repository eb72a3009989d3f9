// Finds sessions by user, organization or session at the issuer. Each index is a sorted set of
// session keys scored by `endsAt`. An index may be in another Cluster slot than its sessions, so no
// transaction covers both: it may list a session that does not exist, but it never misses one.
import { MOST_SESSIONS_PER_PERSON, type IndexKeys } from '../../auth/session/records.ts';
import type { Indexes } from '../types.ts';
import type { Commands } from './commands.ts';
import { readMetadata } from './metadata.ts';
import * as scripts from './scripts.ts';

type Index = keyof IndexKeys;

const INDEXES = ['person', 'organization', 'issuerSession'] as const;
/** The kind of Redis key of each index. */
const KINDS = { person: 'user', organization: 'organization', issuerSession: 'issuer-session' };

// The score's fraction marks an entry whose session is about to be written: a "sign out everywhere"
// in between does not remove the entry as stale, so the next one still finds the session.
const PENDING = 0.5;
/** Sessions read in parallel: with thousands, the last reads would time out. */
const BATCH_SIZE = 500;

/**
 * Runs `write`, which gives a session these index keys. The session's key is added to the indexes
 * first, so that no session exists that an index does not list. `endsAt` in milliseconds.
 */
export async function nameInIndexes<T>(
  { run }: Commands,
  keys: Partial<IndexKeys>,
  key: string,
  endsAt: number,
  write: () => Promise<T>,
): Promise<T> {
  const sets = INDEXES.flatMap((index) =>
    keys[index] ? [[KINDS[index], keys[index]] as const] : [],
  );
  const addWith = (score: number) =>
    Promise.all(sets.map((set) => run(scripts.ADD_TO_INDEX, ...set, Date.now(), score, key)));
  await addWith(endsAt + PENDING);
  const written = await write();
  // Nothing waits for this. If it fails, the entry stays marked until the session would have ended.
  void addWith(endsAt).catch(() => undefined);
  return written;
}

/**
 * Ends a user's sessions beyond MOST_SESSIONS_PER_PERSON, the ones that end soonest first, if the
 * session that `written` is about could be written.
 */
export async function endOldest(commands: Commands, person: string, written: Promise<unknown>) {
  const last = -1 - MOST_SESSIONS_PER_PERSON;
  const listed = commands.send<string[]>('ZRANGE', KINDS.person, person, 0, last);
  const [keys] = await Promise.all([listed, written]);
  await Promise.all(keys.map((key) => endSession(commands, key)));
  await removeFromIndex(commands, 'person', person, keys);
}

/** Ends a session, then removes it from the indexes; true if it had not ended yet. */
export async function endSession(commands: Commands, key: string): Promise<boolean> {
  const line = await commands.run(scripts.REMOVE, 'session', key, Date.now());
  if (typeof line !== 'string') return false;
  const { keys } = readMetadata(line) ?? {};
  await Promise.all(INDEXES.map((index) => removeFromIndex(commands, index, keys?.[index], [key])));
  return true;
}

async function removeFromIndex(
  { send }: Commands,
  index: Index,
  indexKey: string | undefined,
  keys: string[],
): Promise<void> {
  if (!indexKey || keys.length === 0) return;
  await send('ZREM', KINDS[index], indexKey, ...keys);
}

/** Finds sessions, and removes index entries whose session no longer exists. */
export function redisIndexes(commands: Commands): Indexes {
  const { send, read } = commands;

  /** The sessions that this index lists and that still have this index key. */
  async function find(index: Index, indexKey: string) {
    const set = await send<string[]>('ZRANGE', KINDS[index], indexKey, 0, -1, 'WITHSCORES');
    const entries = set.flatMap((key, at) =>
      at % 2 === 0 ? [[key, Number(set[at + 1])] as const] : [],
    );
    const stale: string[] = [];
    const readEntry = async ([key, score]: (typeof entries)[number]) => {
      const session = await read(key);
      // IMPORTANT: keep the entry of a session that exists, even if its index key differs or it has
      // expired by our clock: another request may be moving it here, or extending it by `touch`.
      if (!session && Number.isInteger(score)) stale.push(key);
      return session?.isAlive && session.keys[index] === indexKey ? [{ key, ...session }] : [];
    };
    const found = [];
    for (let start = 0; start < entries.length; start += BATCH_SIZE)
      found.push(...(await Promise.all(entries.slice(start, start + BATCH_SIZE).map(readEntry))));
    await removeFromIndex(commands, index, indexKey, stale);
    return found.flat();
  }

  return {
    async sessionsOf(person) {
      const sessions = await find('person', person);
      return sessions
        .map(({ key, startedAt, lastSeenAt, label }) => ({ key, startedAt, lastSeenAt, label }))
        .toSorted((one, other) => other.lastSeenAt - one.lastSeenAt);
    },
    keysBy: async (index, indexKey) => (await find(index, indexKey)).map(({ key }) => key),
  };
}
