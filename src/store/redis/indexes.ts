// By what sessions are found: for a person, an organization or a session at the issuer, a sorted set of
// session keys, each with the time it ends in any case. A set lives in another slot than the sessions,
// so the two are kept in step without a transaction: a name may be there without a session, never the
// other way round.
import {
  MOST_SESSIONS_PER_PERSON,
  type IndexKeys,
  type SessionSummary,
} from '../../auth/session/records.ts';
import type { Store } from '../types.ts';
import type { Commands } from './commands.ts';
import { readMetadata, type Metadata } from './metadata.ts';
import * as scripts from './scripts.ts';

type Index = keyof IndexKeys;

/** What a key of each index begins with. */
const KINDS: { [index in Index]-?: string } = {
  person: 'user',
  organization: 'organization',
  issuerSession: 'issuer-session',
};
const INDEXES = ['person', 'organization', 'issuerSession'] as const;

// The score of a session about to be written has a fraction. Its name is not taken for a stale one,
// and stays when "sign out everywhere" comes in between: the next one still finds the session.
const PENDING = 0.5;
const NO_BOUND = 1_000_000_000;

/**
 * Does `write`, by which a session gets these index keys, with its name in the indexes before it is
 * there; `endsAt` in milliseconds. Of one person, sessions beyond MOST_SESSIONS_PER_PERSON are ended,
 * those first that end first.
 */
export async function nameInIndexes<T>(
  commands: Commands,
  keys: Partial<IndexKeys>,
  key: string,
  endsAt: number,
  write: () => Promise<T>,
): Promise<T> {
  const { at, run } = commands;
  const nameAll = (score: number) => {
    const names = INDEXES.map(async (index) => {
      const indexKey = keys[index];
      if (indexKey === undefined) return [];
      const most = index === 'person' ? MOST_SESSIONS_PER_PERSON : NO_BOUND;
      const place = at(KINDS[index], indexKey);
      const tooMany = await run(scripts.ADD_TO_INDEX, place, Date.now(), score, key, most);
      return Array.isArray(tooMany) ? tooMany.filter((entry) => typeof entry === 'string') : [];
    });
    return Promise.all(names);
  };
  await nameAll(endsAt + PENDING);
  const written = await write();
  const old = (await nameAll(endsAt)).flat();
  await Promise.all(old.map((entry) => endSession(commands, entry)));
  return written;
}

/** Ends a session, then drops its names; true when there was one that had not ended. */
export async function endSession(commands: Commands, key: string): Promise<boolean> {
  const line = await commands.run(scripts.REMOVE, commands.at('session', key), Date.now());
  if (typeof line !== 'string') return false;
  const { keys = { person: '' } } = readMetadata(line) ?? {};
  await Promise.all(INDEXES.map((index) => dropNames(commands, index, keys[index], [key])));
  return true;
}

/** Finding sessions; names without a session are dropped on the way. */
export function redisIndexes(commands: Commands): Pick<Store, 'sessionsOf' | 'keysBy'> {
  const { client, within, at } = commands;

  /** The sessions that an index names and that have this index key. */
  async function find(index: Index, indexKey: string) {
    const names = await within(() => client.zRangeWithScores(at(KINDS[index], indexKey), 0, -1));
    const stale: string[] = [];
    const found = names.map(async ({ value: key, score }) => {
      const metadata = await readAlive(commands, key);
      if (metadata?.keys[index] === indexKey) return { key, ...metadata };
      if (Number.isInteger(score)) stale.push(key);
      return [];
    });
    const sessions = (await Promise.all(found)).flat();
    await dropNames(commands, index, indexKey, stale);
    return sessions;
  }

  return {
    async sessionsOf(person) {
      const sessions = await find('person', person);
      return sessions
        .map(({ key, startedAt, lastSeenAt, label }): SessionSummary => {
          return { key, startedAt, lastSeenAt, label };
        })
        .toSorted((one, other) => other.lastSeenAt - one.lastSeenAt);
    },
    keysBy: async (index, indexKey) => (await find(index, indexKey)).map(({ key }) => key),
  };
}

/** Undefined once the session has ended, by our clock. */
export async function readAlive(
  { client, within, at }: Commands,
  key: string,
): Promise<Metadata | undefined> {
  const metadata = readMetadata(await within(() => client.hGet(at('session', key), 'about')));
  return metadata && metadata.expiresAt > Date.now() ? metadata : undefined;
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
