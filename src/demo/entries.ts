// Small values of the demo that expire, stored next to the sessions: in a table of the session
// file or of PostgreSQL, or in Redis.
import { openSqlite, type Sqlite } from '../store/embedded/sqlite.ts';
import type { Postgres } from '../store/postgres/client.ts';
import type { RedisLink } from '../store/redis/link.ts';
import { demoTable } from './postgres-table.ts';

export interface Entries {
  /** The value; undefined once it has expired. */
  read(key: string): Promise<string | undefined>;
  /** Inserts or replaces; `expiresAt` is in milliseconds since the epoch. */
  write(key: string, value: string, expiresAt: number): Promise<void>;
  close(): Promise<void>;
}

const TABLE = `
  CREATE TABLE IF NOT EXISTS demo_entries (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS demo_entries_by_expiry ON demo_entries (expires_at);`;

const PRUNE_EVERY_MS = 60_000;

/** @throws StoreError if the file cannot be used */
export async function openEntries(
  file: string,
  redis?: RedisLink,
  postgres?: Postgres,
): Promise<Entries> {
  if (redis) return redisEntries(redis);
  if (postgres) return postgresEntries(postgres);
  return sqliteEntries(await openSqlite(file, (db) => void db.exec(TABLE)));
}

function sqliteEntries(sqlite: Sqlite): Entries {
  const read = sqlite.rowTogether(
    'SELECT value FROM demo_entries WHERE key = ? AND expires_at > ?',
  );
  const write = sqlite.write('INSERT OR REPLACE INTO demo_entries VALUES (?, ?, ?)');
  const prune = sqlite.write('DELETE FROM demo_entries WHERE expires_at <= ?');
  let prunedAt = 0;
  return {
    async read(key) {
      const value = (await read(key, Date.now()))?.[0];
      return typeof value === 'string' ? value : undefined;
    },
    async write(key, value, expiresAt) {
      const now = Date.now();
      // The clock may have been set back.
      if (Math.abs(now - prunedAt) >= PRUNE_EVERY_MS) {
        prunedAt = now;
        await prune(now);
      }
      await write(key, value, expiresAt);
    },
    close: () => sqlite.close(),
  };
}

const keyFor = (key: string) => `entry:{${key}}`;

function redisEntries(redis: RedisLink): Entries {
  return {
    async read(key) {
      const entry = await redis.send<string | null>(keyFor(key), ['GET', keyFor(key)]);
      const [expiresAt = '', value] = entry?.split(/ (.*)/s) ?? [];
      // Redis expires keys by its own clock, but ours decides, as for sessions.
      return Number(expiresAt) > Date.now() ? value : undefined;
    },
    async write(key, value, expiresAt) {
      const ttl = Math.max(1, expiresAt - Date.now());
      await redis.send(keyFor(key), [
        'SET',
        keyFor(key),
        `${expiresAt} ${value}`,
        'PX',
        String(ttl),
      ]);
    },
    // The store closes the connection.
    close: () => Promise.resolve(),
  };
}

function postgresEntries(postgres: Postgres): Entries {
  const { query, prune } = demoTable(postgres);
  return {
    async read(key) {
      const { rows } = await query<{ value: string }>('demo_read', READ, [key, Date.now()]);
      return rows[0]?.value;
    },
    async write(key, value, expiresAt) {
      await prune();
      await query('demo_write', WRITE, [key, value, expiresAt]);
    },
    // The store closes its connections.
    close: () => Promise.resolve(),
  };
}

const READ = 'SELECT value FROM demo_entries WHERE key = $1 AND expires_at > $2';
const WRITE = `
  INSERT INTO demo_entries VALUES ($1, $2, $3) ON CONFLICT (key)
  DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`;
