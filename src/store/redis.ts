// Sessions in Redis, for several machines. One hash per session, read in one round trip; one sorted
// set per person that names their sessions; Redis itself lets go of what has expired.
import type { NewSession, SessionSummary } from '../auth/records.ts';
import type { Store } from './index.ts';
import { createDeadline, type RedisClient } from './redis-client.ts';
import * as scripts from './redis-scripts.ts';

export interface RedisStoreOptions {
  /** Goes before every key, so that applications can share a Redis. Default: none. */
  prefix?: string;
  /** Default: 1,000. */
  commandTimeoutMs?: number;
}

type Argument = string | number;

// A session is named in its person's index before it exists, so that "sign out everywhere" misses
// none. Until it exists its score has a fraction, and nobody takes it for a stale name.
const PENDING = 0.5;

export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): Store {
  const { prefix = '', commandTimeoutMs = 1_000 } = options;
  const within = createDeadline(commandTimeoutMs);
  const sessionAt = (key: string) => `${prefix}session:{${key}}`;
  const indexOf = (userKey: string) => `${prefix}user:{${userKey}}`;
  const leaseAt = (name: string) => `${prefix}lease:{${name}}`;
  const entryAt = (key: string) => `${prefix}entry:{${key}}`;
  const run = (script: string, key: string, ...args: Argument[]) =>
    within(() => client.eval(script, { keys: [key], arguments: args.map(String) }));
  const fields = (key: string, names: string[]) =>
    within(() => client.hmGet(sessionAt(key), names));

  async function put(key: string, session: NewSession): Promise<void> {
    const { data, signIn, startedAt, endsAt } = session;
    const expiresAt = Math.min(session.expiresAt, endsAt);
    const { userKey = '', browser = '', grant, tokens } = signIn ?? {};
    const hash = {
      data,
      version: signIn ? 1 : 0,
      expiresAt,
      lastSeenAt: startedAt,
      about: `${endsAt} ${startedAt} ${userKey} ${browser}`,
      ...(grant !== undefined && tokens !== undefined && { grant, tokens }),
    };
    const life = Math.max(1, expiresAt - Date.now());
    await within(() =>
      client.multi().hSet(sessionAt(key), hash).pExpire(sessionAt(key), life).exec(),
    );
  }

  async function end(key: string): Promise<About | undefined> {
    const about = await run(scripts.REMOVE, sessionAt(key), Date.now());
    return typeof about === 'string' ? parseAbout(about) : undefined;
  }

  async function forget(userKey: string, keys: string[]): Promise<void> {
    if (keys.length > 0) await within(() => client.zRem(indexOf(userKey), keys));
  }

  const indexed = (userKey: string) =>
    within(() => client.zRangeWithScores(indexOf(userKey), 0, -1));

  return {
    async read(key) {
      const [data, grant, version, expiresAt] = await fields(key, [
        'data',
        'grant',
        'version',
        'expiresAt',
      ]);
      if (data == null || Number(expiresAt) <= Date.now()) return undefined;
      return { data, grant: grant ?? undefined, version: Number(version) };
    },
    async readTokens(key) {
      const names = ['grant', 'tokens', 'version', 'expiresAt'];
      const [grant, tokens, version, expiresAt] = await fields(key, names);
      if (grant == null || tokens == null || Number(expiresAt) <= Date.now()) return undefined;
      return { grant, tokens, version: Number(version) };
    },
    async insert(key, session) {
      const { signIn, endsAt } = session;
      const name = (score: number) =>
        signIn && run(scripts.ADD_TO_INDEX, indexOf(signIn.userKey), Date.now(), score, key);
      await name(endsAt + PENDING);
      await put(key, session);
      await name(endsAt);
    },
    async update(key, data, lastSeenAt, expiresAt) {
      const args = [Date.now(), data, lastSeenAt, expiresAt];
      return (await run(scripts.UPDATE, sessionAt(key), ...args)) === 1;
    },
    async replaceTokens(key, fromVersion, { grant, tokens }) {
      const args = [Date.now(), fromVersion, fromVersion + 1, grant, tokens];
      return (await run(scripts.REPLACE_TOKENS, sessionAt(key), ...args)) === 1;
    },
    async remove(key) {
      const about = await end(key);
      if (about) await forget(about.userKey, [key]);
    },
    async sessionsOf(userKey) {
      const stale: string[] = [];
      const names = await indexed(userKey);
      const found = await Promise.all(
        names.map(async ({ value: key, score }): Promise<SessionSummary[]> => {
          const [expiresAt, lastSeenAt, about] = await fields(key, [
            'expiresAt',
            'lastSeenAt',
            'about',
          ]);
          if (about != null && Number(expiresAt) > Date.now()) {
            return [{ key, lastSeenAt: Number(lastSeenAt), ...summary(parseAbout(about)) }];
          }
          if (Number.isInteger(score)) stale.push(key);
          return [];
        }),
      );
      await forget(userKey, stale);
      return found.flat().toSorted((one, other) => other.lastSeenAt - one.lastSeenAt);
    },
    async removeOne(userKey, key) {
      const isTheirs = (await within(() => client.zScore(indexOf(userKey), key))) !== null;
      const ended = isTheirs ? await end(key) : undefined;
      if (ended) await forget(userKey, [key]);
      return ended !== undefined;
    },
    async removeAll(userKey) {
      const names = await indexed(userKey);
      const ended = await Promise.all(names.map(({ value }) => end(value)));
      const settled = names.filter(({ score }) => Number.isInteger(score));
      await forget(
        userKey,
        settled.map(({ value }) => value),
      );
      return ended.filter((about) => about !== undefined).length;
    },
    acquireLease: async (name, owner, ms) =>
      (await run(scripts.ACQUIRE_LEASE, leaseAt(name), owner, ms)) === 1,
    renewLease: async (name, owner, ms) =>
      (await run(scripts.RENEW_LEASE, leaseAt(name), owner, ms)) === 1,
    releaseLease: async (name, owner) =>
      void (await run(scripts.RELEASE_LEASE, leaseAt(name), owner)),
    ping: async () => void (await within(() => client.ping())),
    async readEntry(key) {
      const [expiresAt = '', value] =
        (await within(() => client.get(entryAt(key))))?.split(/ (.*)/s) ?? [];
      return Number(expiresAt) > Date.now() ? value : undefined;
    },
    async writeEntry(key, value, expiresAt) {
      const PX = Math.max(1, expiresAt - Date.now());
      await within(() =>
        client.set(entryAt(key), `${expiresAt} ${value}`, {
          expiration: { type: 'PX', value: PX },
        }),
      );
    },
    removeEntry: async (key) => void (await within(() => client.del(entryAt(key)))),
    async close() {
      if (client.isOpen) client.destroy();
    },
  };
}

interface About {
  startedAt: number;
  userKey: string;
  browser: string;
}

function parseAbout(about: string): About {
  const [, startedAt, userKey = '', browser = ''] = /^\d+ (\d+) (\S*) (.*)$/s.exec(about) ?? [];
  return { startedAt: Number(startedAt), userKey, browser };
}

const summary = ({ startedAt, browser }: About) => ({ startedAt, browser });
