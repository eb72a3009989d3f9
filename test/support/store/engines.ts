// Each store engine behind one interface, for tests that apply to all of them.
import { startPostgres, type TestPostgres } from './postgres.ts';
import { startRedis, type TestRedis } from './redis.ts';
import { findExecutable } from '../machine/parts.ts';
import type { Engine } from '../machine/with-parts.ts';

/** The server of an engine; SQLite has none, and needs no options. */
export interface TestEngine {
  /** Of `openStore`, beside `file`. */
  options: { redisUrl?: string; databaseUrl?: string };
  redis?: TestRedis;
  postgres?: TestPostgres;
  /** The settings of the app. */
  env: Record<string, string>;
  flush(): Promise<void>;
  /** Deletes all leases, which the test's clock does not expire; resolves to their number. */
  endLeases(): Promise<number>;
  /** All keys and values. */
  dump(): Promise<string>;
  close(): Promise<void>;
}

export async function startEngine(engine: Engine): Promise<TestEngine | undefined> {
  if (engine === 'SQLite') return undefined;
  return engine === 'PostgreSQL' ? postgresEngine() : redisEngine(engine);
}

async function redisEngine(engine: 'Redis' | 'Valkey'): Promise<TestEngine> {
  const program = engine === 'Valkey' ? findExecutable('valkey-server') : undefined;
  const redis = await startRedis({ ...(program !== undefined && { program }) });
  const keysOf = async (pattern: string) =>
    [...(await redis.command(`KEYS ${pattern}`)).matchAll(/^\$\d+\r\n(.*)\r$/gm)].map(
      ([, key = '']) => key,
    );
  return {
    redis,
    options: { redisUrl: redis.url },
    env: { REDIS_URL: redis.url },
    flush: () => redis.flush(),
    async endLeases() {
      const keys = await keysOf('lease:*');
      for (const key of keys) await redis.command(`DEL ${key}`);
      return keys.length;
    },
    async dump() {
      const keys = await keysOf('*');
      const values = keys.flatMap((key) =>
        [`HGETALL ${key}`, `ZRANGE ${key} 0 -1`, `GET ${key}`].map((line) => redis.command(line)),
      );
      return [...keys, ...(await Promise.all(values))].join('\n');
    },
    close: () => redis.close(),
  };
}

async function postgresEngine(): Promise<TestEngine> {
  const postgres = await startPostgres();
  return {
    postgres,
    options: { databaseUrl: postgres.url },
    env: { DATABASE_URL: postgres.url },
    flush: () => postgres.flush(),
    async endLeases() {
      const leases = 'DELETE FROM authkit_sessions WHERE owner IS NOT NULL RETURNING key';
      return (await postgres.sql(leases)).length;
    },
    async dump() {
      const tables = ['authkit_sessions', 'demo_entries'].map((name) =>
        postgres.sql(`SELECT * FROM ${name}`),
      );
      const values = (await Promise.all(tables)).flat().flatMap((row) => Object.values(row));
      return values
        .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
        .join('\n');
    },
    close: () => postgres.close(),
  };
}
