// By what sessions are found: for a person, an organization or a session at the issuer, a sorted set of
// session keys, each with the time it ends in any case. A set lives in another slot than the sessions,
// so the two are kept in step without a transaction: a name may be there without a session, never the
// other way round.
import { MOST_SESSIONS_PER_PERSON, type IndexKeys } from '../../auth/session/records.ts';
import type { Store } from '../types.ts';
import type { Commands } from './commands.ts';
import { readMetadata } from './metadata.ts';
import * as scripts from './scripts.ts';

type Index = keyof IndexKeys;

const INDEXES = ['person', 'organization', 'issuerSession'] as const;
/** What a key of each index begins with. */
const KINDS = { person: 'user', organization: 'organization', issuerSession: 'issuer-session' };

// The score of a session about to be written has a fraction. Its name is not taken for a stale one,
// and stays when "sign out everywhere" comes in between: the next one still finds the session.
const PENDING = 0.5;
/** So many sessions are looked at together: of thousands, the last would run out of time. */
const AT_ONCE = 500;

/**
 * Does `write`, by which a session gets these index keys, with its name in the indexes before it is
 * there; `endsAt` in milliseconds.
 */
export async function nameInIndexes<T>(
  { run }: Commands,
  keys: Partial<IndexKeys>,
  key: string,
  endsAt: number,
  write: () => Promise<T>,
): Promise<T> {
  const named = INDEXES.flatMap((index) =>
    keys[index] ? [[KINDS[index], keys[index]] as const] : [],
  );
  const nameWith = (score: number) =>
    Promise.all(named.map((place) => run(scripts.ADD_TO_INDEX, ...place, Date.now(), score, key)));
  await nameWith(endsAt + PENDING);
  const written = await write();
  await nameWith(endsAt);
  return written;
}

/** Ends a person's sessions beyond MOST_SESSIONS_PER_PERSON, those first that end first. */
export async function endOldest(commands: Commands, person: string): Promise<void> {
  const { client, within, at } = commands;
  const place = at(KINDS.person, person);
  const names = await within(() => client.zRange(place, 0, -1 - MOST_SESSIONS_PER_PERSON));
  await Promise.all(names.map((name) => endSession(commands, name)));
  await dropNames(commands, 'person', person, names);
}

/** Ends a session, then drops its names; true when there was one that had not ended. */
export async function endSession(commands: Commands, key: string): Promise<boolean> {
  const line = await commands.run(scripts.REMOVE, 'session', key, Date.now());
  if (typeof line !== 'string') return false;
  const { keys } = readMetadata(line) ?? {};
  await Promise.all(INDEXES.map((index) => dropNames(commands, index, keys?.[index], [key])));
  return true;
}

async function dropNames(
  { client, within, at }: Commands,
  index: Index,
  indexKey: string | undefined,
  keys: string[],
): Promise<void> {
  if (!indexKey || keys.length === 0) return;
  await within(() => client.zRem(at(KINDS[index], indexKey), keys));
}

/** Finding sessions; names of sessions that are gone are dropped on the way. */
export function redisIndexes(commands: Commands): Pick<Store, 'sessionsOf' | 'keysBy'> {
  const { client, within, at, read } = commands;

  /** The sessions that an index names and that have this index key. */
  async function find(index: Index, indexKey: string) {
    const names = await within(() => client.zRangeWithScores(at(KINDS[index], indexKey), 0, -1));
    const gone: string[] = [];
    const look = async ({ value: key, score }: (typeof names)[number]) => {
      const session = await read(key);
      // IMPORTANT: the name of a session that is there stays, even where it has another index key by
      // now, or has ended by our clock: another request may be moving it here, or noting its use.
      if (!session && Number.isInteger(score)) gone.push(key);
      return session?.isAlive && session.keys[index] === indexKey ? [{ key, ...session }] : [];
    };
    const found = [];
    for (let first = 0; first < names.length; first += AT_ONCE)
      found.push(...(await Promise.all(names.slice(first, first + AT_ONCE).map(look))));
    await dropNames(commands, index, indexKey, gone);
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
