// The sessions of one person: a sorted set of their keys, each with the time it ends in any case.
// It lives in another slot than the sessions, so the two are kept in step without a transaction:
// a name may be there without a session, never the other way round.
import { MOST_SESSIONS_PER_PERSON, type SessionSummary } from '../../auth/records.ts';
import type { Store } from '../index.ts';
import type { Commands } from './store.ts';
import { readAbout } from './metadata.ts';
import * as scripts from './scripts.ts';

// The score of a session about to be written has a fraction. Its name is not taken for a stale one,
// and stays when "sign out everywhere" comes in between: the next one still finds the session.
const PENDING = 0.5;

/**
 * Writes a session (`write`) that is named in the index of its person before it is there; `endsAt` in
 * milliseconds. Beyond MOST_SESSIONS_PER_PERSON, those that end first are ended.
 */
export async function nameInIndex(
  commands: Commands,
  userKey: string,
  key: string,
  endsAt: number,
  write: () => Promise<unknown>,
): Promise<void> {
  const { at, run } = commands;
  const name = (score: number) =>
    run(
      scripts.ADD_TO_INDEX,
      at('user', userKey),
      Date.now(),
      score,
      key,
      MOST_SESSIONS_PER_PERSON,
    );
  await name(endsAt + PENDING);
  await write();
  const tooMany = await name(endsAt);
  const old = Array.isArray(tooMany) ? tooMany.filter((entry) => typeof entry === 'string') : [];
  await Promise.all(old.map((entry) => endSession(commands, entry)));
}

/** Ends a session, then drops its name; true when there was one that had not ended. */
export async function endSession(commands: Commands, key: string): Promise<boolean> {
  const about = await commands.run(scripts.REMOVE, commands.at('session', key), Date.now());
  if (typeof about !== 'string') return false;
  await dropNames(commands, readAbout(about)?.userKey ?? '', [key]);
  return true;
}

/** The list of a person, and ending what is on it; names without a session are dropped on the way. */
export function redisSessionsOfUser(
  commands: Commands,
): Pick<Store, 'sessionsOf' | 'removeOne' | 'removeAll'> {
  const { client, within, at } = commands;
  const namesOf = (userKey: string) =>
    within(() => client.zRangeWithScores(at('user', userKey), 0, -1));
  return {
    async sessionsOf(userKey) {
      const stale: string[] = [];
      const names = await namesOf(userKey);
      const found = names.map(async ({ value: key, score }) => {
        const session = await summaryOf(commands, key);
        if (session === undefined && Number.isInteger(score)) stale.push(key);
        return session ?? [];
      });
      const sessions = (await Promise.all(found)).flat();
      await dropNames(commands, userKey, stale);
      return sessions.toSorted((one, other) => other.lastSeenAt - one.lastSeenAt);
    },
    async removeOne(userKey, key) {
      const score = await within(() => client.zScore(at('user', userKey), key));
      return score !== null && endSession(commands, key);
    },
    async removeAll(userKey) {
      const names = await namesOf(userKey);
      const ended = await Promise.all(names.map(({ value }) => endSession(commands, value)));
      return ended.filter(Boolean).length;
    },
  };
}

async function summaryOf(
  { client, within, at }: Commands,
  key: string,
): Promise<SessionSummary | undefined> {
  const about = readAbout(await within(() => client.hGet(at('session', key), 'about')));
  if (!about || about.expiresAt <= Date.now()) return undefined;
  const { startedAt, lastSeenAt, browser } = about;
  return { key, startedAt, lastSeenAt, browser };
}

async function dropNames({ client, within, at }: Commands, userKey: string, keys: string[]) {
  if (keys.length > 0) await within(() => client.zRem(at('user', userKey), keys));
}
