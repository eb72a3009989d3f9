// Sessions in Redis, for several machines: one hash per session, read in one round trip, and one
// sorted set per person that names their sessions. Redis itself lets go of what has expired.
import { RESP_TYPES } from 'redis';
import type { Store } from '../types.ts';
import type { RedisClient } from './client.ts';
import { createCommands, type Commands } from './commands.ts';
import { endSession, nameInIndexes, readAlive, redisIndexes } from './indexes.ts';
import { readMetadata, writeMetadata } from './metadata.ts';
import * as scripts from './scripts.ts';

/** The store on a client of `connectRedis`, which `close` ends. Rejects with StoreError only. */
export function redisStore(client: RedisClient): Store {
  const commands = createCommands(client);
  return {
    ...reads(commands),
    ...writes(commands),
    ...redisIndexes(commands),
    ...leases(commands),
    ping: async () => void (await commands.within(() => client.ping())),
    async close() {
      if (client.isOpen) client.destroy();
    },
  };
}

function reads({ client, within, at }: Commands): Pick<Store, 'read' | 'readTokens'> {
  // Sealed values are bytes, not text.
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  // Redis expires keys by its own clock; ours decides, as it does for everything else.
  const alive = async (key: string, ...names: string[]) => {
    const fields = () => binary.hmGet(at('session', key), ['about', ...names]);
    const [line, ...values] = await within(fields);
    const metadata = readMetadata(line?.toString());
    return metadata && metadata.expiresAt > Date.now() ? { ...metadata, values } : undefined;
  };
  return {
    async read(key) {
      const row = await alive(key, 'data', 'grant');
      const [data, facts] = row?.values ?? [];
      if (!row || data == null) return undefined;
      const { version, lastSeenAt } = row;
      return { data, facts: facts ?? undefined, version, lastSeenAt };
    },
    async readTokens(key) {
      const row = await alive(key, 'grant', 'tokens');
      const [facts, tokens] = row?.values ?? [];
      return row && facts != null && tokens != null
        ? { facts, tokens, version: row.version }
        : undefined;
    },
  };
}

function writes(
  commands: Commands,
): Pick<Store, 'insert' | 'update' | 'touch' | 'replaceTokens' | 'remove'> {
  const { at, run } = commands;
  return {
    async insert(key, { data, signIn, startedAt, endsAt, ...session }) {
      const { keys = { person: '' }, label = '', facts, tokens } = signIn ?? {};
      const expiresAt = Math.min(session.expiresAt, endsAt);
      const version = signIn ? 1 : 0;
      const times = { expiresAt, lastSeenAt: startedAt, endsAt, startedAt };
      const hash = {
        data,
        about: writeMetadata({ ...times, version, keys, label }),
        // The facts, by the name that the field had in version 0.1.0.
        ...(facts !== undefined && tokens !== undefined && { grant: facts, tokens }),
      };
      const life = Math.max(1, expiresAt - Date.now());
      const put = () => run(scripts.PUT, at('session', key), life, ...Object.entries(hash).flat());
      await (signIn ? nameInIndexes(commands, keys, key, endsAt, put) : put());
    },
    async update(key, data, lastSeenAt, expiresAt) {
      const args = [Date.now(), lastSeenAt, expiresAt, data];
      return (await run(scripts.UPDATE, at('session', key), ...args)) === 1;
    },
    async touch(key, lastSeenAt, expiresAt) {
      const args = [Date.now(), lastSeenAt, expiresAt];
      return (await run(scripts.UPDATE, at('session', key), ...args)) === 1;
    },
    async replaceTokens(key, fromVersion, { facts, tokens, organization }) {
      const previous = await readAlive(commands, key);
      if (!previous) return false;
      const args = [Date.now(), fromVersion, fromVersion + 1, facts, tokens, organization ?? ''];
      const replace = () => run(scripts.REPLACE_TOKENS, at('session', key), ...args);
      const isSame = organization === previous.keys.organization;
      const names = isSame || organization === undefined ? {} : { organization };
      return (await nameInIndexes(commands, names, key, previous.endsAt, replace)) === 1;
    },
    remove: (key) => endSession(commands, key),
  };
}

function leases({
  at,
  run,
}: Commands): Pick<Store, 'acquireLease' | 'renewLease' | 'releaseLease'> {
  return {
    acquireLease: async (name, owner, ms) =>
      (await run(scripts.ACQUIRE_LEASE, at('lease', name), owner, ms)) === 1,
    renewLease: async (name, owner, ms) =>
      (await run(scripts.RENEW_LEASE, at('lease', name), owner, ms)) === 1,
    releaseLease: async (name, owner) =>
      void (await run(scripts.RELEASE_LEASE, at('lease', name), owner)),
  };
}
