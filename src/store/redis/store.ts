// Sessions in Redis, for several machines. Each session is one hash, read in one round trip; sorted
// sets index the sessions (indexes.ts). Redis itself deletes expired keys.
import { createProbe } from '../probe.ts';
import type { Leases, Reads, Store, Writes } from '../types.ts';
import { createCommands, type Commands } from './commands.ts';
import { endOldest, endSession, nameInIndexes, redisIndexes } from './indexes.ts';
import { linkTo, type RedisClient, type RedisLink } from './link.ts';
import { writeMetadata } from './metadata.ts';
import * as scripts from './scripts.ts';

/**
 * Takes a connection of `connectRedis`, or your own client of `createClient`, `createCluster` or
 * `createSentinel`, which then reconnects as it can. `close` closes it. Methods reject with
 * StoreError only.
 */
export function redisStore(redis: RedisLink | RedisClient): Store {
  const link = linkTo(redis);
  const commands = createCommands(link);
  const written = { ...writes(commands), ...leases(commands) };
  const probe = createProbe(written);
  return {
    ...reads(commands),
    ...written,
    ...redisIndexes(commands),
    async ping() {
      await commands.ping();
      await probe();
    },
    async close() {
      link.close();
    },
  };
}

// The facts are stored in the field `grant`, as version 0.1.0 called them.
function reads({ read }: Commands): Reads {
  return {
    async read(key) {
      const row = await read(key, 'data', 'grant', 'recheck');
      const [data, facts, recheck] = row?.values ?? [];
      if (!row?.isAlive || data == null) return undefined;
      const { version, lastSeenAt } = row;
      const recheckAt = Number(recheck?.toString() ?? 0);
      return { data, facts: facts ?? undefined, version, lastSeenAt, recheckAt };
    },
    async readTokens(key) {
      const row = await read(key, 'grant', 'tokens');
      const [facts, tokens] = row?.values ?? [];
      if (!row?.isAlive || facts == null || tokens == null) return undefined;
      return { facts, tokens, version: row.version };
    },
  };
}

function writes(commands: Commands): Writes {
  const { read, run, applied } = commands;
  return {
    async insert(key, { data, signIn, startedAt, endsAt, ...session }) {
      const { keys = { person: '' }, label = '' } = signIn ?? {};
      const expiresAt = Math.min(session.expiresAt, endsAt);
      const times = { expiresAt, lastSeenAt: startedAt, endsAt, startedAt };
      const about = writeMetadata({ ...times, version: signIn ? 1 : 0, keys, label });
      const fields = ['about', about, 'data', data];
      if (signIn) fields.push('grant', signIn.facts, 'tokens', signIn.tokens);
      const ttl = Math.max(1, expiresAt - Date.now());
      const put = () => run(scripts.PUT, 'session', key, ttl, ...fields);
      const write = () => (signIn ? endOldest(commands, keys.person, put()) : put());
      await nameInIndexes<unknown>(commands, keys, key, endsAt, write);
    },
    update: (key, data, lastSeenAt, expiresAt) =>
      applied(scripts.UPDATE, 'session', key, Date.now(), lastSeenAt, expiresAt, 'data', data),
    touch: (key, lastSeenAt, expiresAt) =>
      applied(scripts.UPDATE, 'session', key, Date.now(), lastSeenAt, expiresAt),
    async replaceTokens(key, from, { facts, tokens, organization }) {
      const session = await read(key);
      if (!session?.isAlive) return false;
      const args = [Date.now(), from, from + 1, facts, tokens, organization ?? ''];
      const replace = () => applied(scripts.REPLACE_TOKENS, 'session', key, ...args);
      const keys = organization === session.keys.organization ? {} : { organization };
      return nameInIndexes(commands, keys, key, session.endsAt, replace);
    },
    recheck: async (key, at) => void (await run(scripts.RECHECK, 'session', key, Date.now(), at)),
    remove: (key) => endSession(commands, key),
  };
}

function leases({ run, applied }: Commands): Leases {
  return {
    acquireLease: (name, owner, ms) => applied(scripts.ACQUIRE_LEASE, 'lease', name, owner, ms),
    renewLease: (name, owner, ms) => applied(scripts.RENEW_LEASE, 'lease', name, owner, ms),
    releaseLease: async (name, owner) =>
      void (await run(scripts.RELEASE_LEASE, 'lease', name, owner)),
  };
}
