// Sessions in Redis, for several machines: one hash per session, read in one round trip, and one
// sorted set per person that names their sessions. Redis itself lets go of what has expired.
import { RESP_TYPES } from 'redis';
import type { Store } from '../index.ts';
import { createDeadline, type RedisClient } from './client.ts';
import { readAbout, writeAbout } from './metadata.ts';
import { endSession, nameInIndex, redisSessionsOfUser } from './indexes.ts';
import * as scripts from './scripts.ts';

export interface RedisStoreOptions {
  /** How long one command may take. Default: 1,000. */
  commandTimeoutMs?: number;
}

/** The store on a client of `connectRedis`, which `close` ends. Rejects with StoreError only. */
export function redisStore(client: RedisClient, options: RedisStoreOptions = {}): Store {
  const commands = createCommands(client, options.commandTimeoutMs ?? 1_000);
  return {
    ...reads(commands),
    ...writes(commands),
    ...redisSessionsOfUser(commands),
    ...leases(commands),
    ...entries(commands),
    ping: async () => void (await commands.within(() => client.ping())),
    async close() {
      if (client.isOpen) client.destroy();
    },
  };
}

export type Commands = ReturnType<typeof createCommands>;

function createCommands(client: RedisClient, timeoutMs: number) {
  const within = createDeadline(timeoutMs);
  return {
    client,
    within,
    // The hash tag keeps a key and the scripts on it in one slot of a Redis Cluster.
    at: (kind: string, name: string) => `${kind}:{${name}}`,
    run: (script: string, key: string, ...args: (string | number | Buffer)[]) =>
      within(() => client.eval(script, { keys: [key], arguments: args.map(asArgument) })),
  };
}

const asArgument = (value: string | number | Buffer) =>
  typeof value === 'number' ? String(value) : value;

function reads({ client, within, at }: Commands): Pick<Store, 'read' | 'readTokens'> {
  // Sealed values are bytes, not text.
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  // Redis expires keys by its own clock; ours decides, as it does for everything else.
  const alive = async (key: string, ...names: string[]) => {
    const fields = () => binary.hmGet(at('session', key), ['about', ...names]);
    const [line, ...values] = await within(fields);
    const about = readAbout(line?.toString());
    return about && about.expiresAt > Date.now() ? { version: about.version, values } : undefined;
  };
  return {
    async read(key) {
      const row = await alive(key, 'data', 'grant');
      const [data, grant] = row?.values ?? [];
      return row && data != null
        ? { data, grant: grant ?? undefined, version: row.version }
        : undefined;
    },
    async readTokens(key) {
      const row = await alive(key, 'grant', 'tokens');
      const [grant, tokens] = row?.values ?? [];
      return row && grant != null && tokens != null
        ? { grant, tokens, version: row.version }
        : undefined;
    },
  };
}

function writes(commands: Commands): Pick<Store, 'insert' | 'update' | 'replaceTokens' | 'remove'> {
  const { at, run } = commands;
  return {
    async insert(key, { data, signIn, startedAt, endsAt, ...session }) {
      const { userKey = '', browser = '', grant, tokens } = signIn ?? {};
      const expiresAt = Math.min(session.expiresAt, endsAt);
      const version = signIn ? 1 : 0;
      const about = { expiresAt, version, lastSeenAt: startedAt, endsAt, startedAt };
      const hash = {
        data,
        about: writeAbout({ ...about, userKey, browser }),
        ...(grant !== undefined && tokens !== undefined && { grant, tokens }),
      };
      const life = Math.max(1, expiresAt - Date.now());
      const put = () => run(scripts.PUT, at('session', key), life, ...Object.entries(hash).flat());
      await (signIn ? nameInIndex(commands, userKey, key, endsAt, put) : put());
    },
    async update(key, data, lastSeenAt, expiresAt) {
      const args = [Date.now(), data, lastSeenAt, expiresAt];
      return (await run(scripts.UPDATE, at('session', key), ...args)) === 1;
    },
    async replaceTokens(key, fromVersion, { grant, tokens }) {
      const args = [Date.now(), fromVersion, fromVersion + 1, grant, tokens];
      return (await run(scripts.REPLACE_TOKENS, at('session', key), ...args)) === 1;
    },
    remove: async (key) => void (await endSession(commands, key)),
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

function entries({ client, within, at }: Commands): Pick<Store, 'readEntry' | 'writeEntry'> {
  return {
    async readEntry(key) {
      const entry = await within(() => client.get(at('entry', key)));
      const [expiresAt = '', value] = entry?.split(/ (.*)/s) ?? [];
      return Number(expiresAt) > Date.now() ? value : undefined;
    },
    async writeEntry(key, value, expiresAt) {
      const PX = Math.max(1, expiresAt - Date.now());
      await within(() => client.set(at('entry', key), `${expiresAt} ${value}`, { PX }));
    },
  };
}
