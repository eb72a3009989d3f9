// Small values of the demo that expire, stored next to the sessions: in a table of the session
// file, or in Redis.
import { openSqlite, type Sqlite } from '../store/embedded/sqlite.ts';
import type { RedisClient } from '../store/redis/client.ts';

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

/** @throws StoreError if the file cannot be used */
export async function openEntries(file: string, redis?: RedisClient): Promise<Entries> {
  if (redis) return redisEntries(redis);
  return sqliteEntries(await openSqlite(file, (db) => void db.exec(TABLE)));
}

function sqliteEntries(sqlite: Sqlite): Entries {
  const read = sqlite.row('SELECT value FROM demo_entries WHERE key = ? AND expires_at > ?');
  const write = sqlite.write('INSERT OR REPLACE INTO demo_entries VALUES (?, ?, ?)');
  const prune = sqlite.write('DELETE FROM demo_entries WHERE expires_at <= ?');
  return {
    async read(key) {
      const value = (await read(key, Date.now()))?.[0];
      return typeof value === 'string' ? value : undefined;
    },
    async write(key, value, expiresAt) {
      await prune(Date.now());
      await write(key, value, expiresAt);
    },
    close: () => sqlite.close(),
  };
}

function redisEntries(redis: RedisClient): Entries {
  return {
    async read(key) {
      const entry = await redis.get(`entry:{${key}}`);
      const [expiresAt = '', value] = entry?.split(/ (.*)/s) ?? [];
      // Redis expires keys by its own clock, but ours decides, as for sessions.
      return Number(expiresAt) > Date.now() ? value : undefined;
    },
    async write(key, value, expiresAt) {
      const PX = Math.max(1, expiresAt - Date.now());
      await redis.set(`entry:{${key}}`, `${expiresAt} ${value}`, { PX });
    },
    // The store closes its client.
    close: () => Promise.resolve(),
  };
}
