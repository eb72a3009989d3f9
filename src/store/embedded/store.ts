// Sessions in one SQLite file, for one machine: it survives restarts and kill -9, several processes
// may share it, and it needs nothing installed. One statement per call; no transaction spans two.
import { MOST_SESSIONS_PER_PERSON } from '../../auth/records.ts';
import { startPruning } from './pruning.ts';
import type { Store } from '../index.ts';
import { openSqlite, type Sqlite } from './sqlite.ts';

export interface EmbeddedStoreOptions {
  file: string;
  /** Beyond this many sessions, those nearest their end are dropped. Default: 1,000,000. */
  maxSessions?: number;
  /** How often what has expired is deleted, in milliseconds. Default: 60,000. */
  pruneEveryMs?: number;
}

// The tokens are the last column: a read without them does not touch them.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sessions (
    key TEXT NOT NULL UNIQUE, user_key TEXT, data NOT NULL, "grant", version INTEGER NOT NULL,
    browser TEXT, started_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, tokens
  );
  CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_key) WHERE user_key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);
  CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at);`;

/**
 * Opens the file, or makes it and its folder.
 *
 * @throws StoreError `store_damaged` when the file is not one of ours: it is left as it is, and
 *   moving it aside starts afresh; `store_readonly`, `store_full`, `store_unreachable`
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { maxSessions = 1_000_000, pruneEveryMs = 60_000 } = options;
  const sqlite = await openSqlite(options.file, SCHEMA);
  const stopPruning = startPruning(sqlite, maxSessions, pruneEveryMs);
  return {
    ...sessions(sqlite),
    ...sessionsOfUser(sqlite),
    ...leases(sqlite),
    ...entries(sqlite),
    async close() {
      await stopPruning();
      await sqlite.close();
    },
  };
}

function sessions(
  sqlite: Sqlite,
): Pick<Store, 'read' | 'readTokens' | 'insert' | 'update' | 'replaceTokens' | 'remove' | 'ping'> {
  const read = sqlite.rowTogether(
    'SELECT data, "grant", version FROM sessions WHERE key = ? AND expires_at > ?',
  );
  const readTokens = sqlite.row(
    'SELECT "grant", tokens, version FROM sessions WHERE key = ? AND expires_at > ? AND version > 0',
  );
  const insert = sqlite.write(
    'INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const endOldest = sqlite.write(
    `DELETE FROM sessions WHERE user_key = ? AND key IN (SELECT key FROM sessions
     WHERE user_key = ? ORDER BY started_at DESC, rowid DESC LIMIT -1 OFFSET ?)`,
  );
  const update = sqlite.write(
    `UPDATE sessions SET data = ?, last_seen_at = ?, expires_at = min(?, ends_at)
     WHERE key = ? AND expires_at > ?`,
  );
  const replaceTokens = sqlite.write(
    `UPDATE sessions SET "grant" = ?, tokens = ?, version = version + 1
     WHERE key = ? AND version = ? AND expires_at > ?`,
  );
  const remove = sqlite.write('DELETE FROM sessions WHERE key = ?');
  const ping = sqlite.row('SELECT 1 FROM sessions LIMIT 1');
  return {
    async read(key) {
      const row = await read(key, Date.now());
      return row && { data: bytes(row[0]), grant: optionalBytes(row[1]), version: Number(row[2]) };
    },
    async readTokens(key) {
      const row = await readTokens(key, Date.now());
      return row && { grant: bytes(row[0]), tokens: bytes(row[1]), version: Number(row[2]) };
    },
    async insert(key, { data, signIn, startedAt, expiresAt, endsAt }) {
      const { userKey = null, grant = null, browser = null, tokens = null } = signIn ?? {};
      const ends = Math.min(expiresAt, endsAt);
      const version = signIn ? 1 : 0;
      const facts = [browser, startedAt, startedAt, ends, endsAt] as const;
      await insert(key, userKey, data, grant, version, ...facts, tokens);
      if (userKey !== null) await endOldest(userKey, userKey, MOST_SESSIONS_PER_PERSON);
    },
    update: async (key, data, lastSeenAt, expiresAt) =>
      (await update(data, lastSeenAt, expiresAt, key, Date.now())) === 1,
    replaceTokens: async (key, fromVersion, { grant, tokens }) =>
      (await replaceTokens(grant, tokens, key, fromVersion, Date.now())) === 1,
    remove: async (key) => void (await remove(key)),
    ping: async () => void (await ping()),
  };
}

function sessionsOfUser(sqlite: Sqlite): Pick<Store, 'sessionsOf' | 'removeOne' | 'removeAll'> {
  const list = sqlite.rows(
    `SELECT key, started_at, last_seen_at, browser FROM sessions
     WHERE user_key = ? AND expires_at > ? ORDER BY last_seen_at DESC`,
  );
  const removeOne = sqlite.write(
    'DELETE FROM sessions WHERE user_key = ? AND key = ? AND expires_at > ?',
  );
  const removeAll = sqlite.write('DELETE FROM sessions WHERE user_key = ? AND expires_at > ?');
  return {
    async sessionsOf(userKey) {
      const rows = await list(userKey, Date.now());
      return rows.map(([key, startedAt, lastSeenAt, browser]) => ({
        key: text(key),
        startedAt: Number(startedAt),
        lastSeenAt: Number(lastSeenAt),
        browser: text(browser),
      }));
    },
    removeOne: async (userKey, key) => (await removeOne(userKey, key, Date.now())) === 1,
    removeAll: (userKey) => removeAll(userKey, Date.now()),
  };
}

function leases(sqlite: Sqlite): Pick<Store, 'acquireLease' | 'renewLease' | 'releaseLease'> {
  const acquire = sqlite.write(
    `INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name)
     DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
     WHERE owner = excluded.owner OR expires_at <= ?`,
  );
  const renew = sqlite.write(
    'UPDATE leases SET expires_at = ? WHERE name = ? AND owner = ? AND expires_at > ?',
  );
  const release = sqlite.write('DELETE FROM leases WHERE name = ? AND owner = ?');
  return {
    acquireLease: async (name, owner, ms) =>
      (await acquire(name, owner, Date.now() + ms, Date.now())) === 1,
    renewLease: async (name, owner, ms) =>
      (await renew(Date.now() + ms, name, owner, Date.now())) === 1,
    releaseLease: async (name, owner) => void (await release(name, owner)),
  };
}

function entries(sqlite: Sqlite): Pick<Store, 'readEntry' | 'writeEntry'> {
  const read = sqlite.row('SELECT value FROM entries WHERE key = ? AND expires_at > ?');
  const write = sqlite.write('INSERT OR REPLACE INTO entries VALUES (?, ?, ?)');
  return {
    readEntry: async (key) => optionalText((await read(key, Date.now()))?.[0]),
    writeEntry: async (key, value, expiresAt) => void (await write(key, value, expiresAt)),
  };
}

function bytes(column: unknown): Buffer {
  return optionalBytes(column) ?? Buffer.alloc(0);
}

function optionalBytes(column: unknown): Buffer | undefined {
  return Buffer.isBuffer(column) ? column : undefined;
}

function text(column: unknown): string {
  return optionalText(column) ?? '';
}

function optionalText(column: unknown): string | undefined {
  return typeof column === 'string' ? column : undefined;
}
