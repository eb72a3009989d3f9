// Sessions in one SQLite file, for one machine: it survives restarts and kill -9, several processes
// may share it, and it needs nothing installed. One statement per call; no transaction spans two.
import { MOST_SESSIONS_PER_PERSON } from '../../auth/session/records.ts';
import type { Store } from '../types.ts';
import { startPruning } from './pruning.ts';
import { migrate } from './schema.ts';
import { openSqlite, type Sqlite } from './sqlite.ts';

/** Beyond this many sessions, those nearest their end are dropped. */
const MOST_SESSIONS = 1_000_000;
const PRUNE_EVERY_MS = 60_000;

/**
 * Opens the file, or makes it and its folder.
 *
 * @throws StoreError `store_damaged` when the file is not one of ours: it is left as it is, and
 *   moving it aside starts afresh; `store_readonly`, `store_full`, `store_unreachable`
 */
export async function openEmbeddedStore({ file }: { file: string }): Promise<Store> {
  const sqlite = await openSqlite(file, migrate);
  const stopPruning = startPruning(sqlite, MOST_SESSIONS, PRUNE_EVERY_MS);
  return {
    ...sessions(sqlite),
    ...tokens(sqlite),
    ...indexes(sqlite),
    ...leases(sqlite),
    async close() {
      await stopPruning();
      await sqlite.close();
    },
  };
}

function sessions(
  sqlite: Sqlite,
): Pick<Store, 'read' | 'insert' | 'update' | 'touch' | 'remove' | 'ping'> {
  const read = sqlite.rowTogether(
    'SELECT data, facts, version, last_seen_at FROM sessions WHERE key = ? AND expires_at > ?',
  );
  const insert = sqlite.write(
    `INSERT OR REPLACE INTO sessions (key, person, organization, issuer_session, data, facts, version,
       label, started_at, last_seen_at, expires_at, ends_at, tokens)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const endOldest = sqlite.write(
    `DELETE FROM sessions WHERE person = ? AND key IN (SELECT key FROM sessions
     WHERE person = ? ORDER BY started_at DESC, rowid DESC LIMIT -1 OFFSET ?)`,
  );
  const update = sqlite.write(
    `UPDATE sessions SET data = ?, last_seen_at = ?, expires_at = min(?, ends_at)
     WHERE key = ? AND expires_at > ?`,
  );
  const touch = sqlite.write(
    `UPDATE sessions SET last_seen_at = ?, expires_at = min(?, ends_at)
     WHERE key = ? AND expires_at > ?`,
  );
  const remove = sqlite.write('DELETE FROM sessions WHERE key = ? AND expires_at > ?');
  const ping = sqlite.row('SELECT 1 FROM sessions LIMIT 1');
  return {
    async read(key) {
      const row = await read(key, Date.now());
      if (!row) return undefined;
      const [data, facts, version, lastSeenAt] = row;
      return {
        data: bytes(data),
        facts: optionalBytes(facts),
        version: Number(version),
        lastSeenAt: Number(lastSeenAt),
      };
    },
    async insert(key, { data, signIn, startedAt, expiresAt, endsAt }) {
      const { keys, facts = null, label = null, tokens: sealed = null } = signIn ?? {};
      const { person = null, organization = null, issuerSession = null } = keys ?? {};
      const ends = Math.min(expiresAt, endsAt);
      const version = signIn ? 1 : 0;
      const times = [startedAt, startedAt, ends, endsAt] as const;
      const found = [person, organization, issuerSession] as const;
      await insert(key, ...found, data, facts, version, label, ...times, sealed);
      if (person !== null) await endOldest(person, person, MOST_SESSIONS_PER_PERSON);
    },
    update: async (key, data, lastSeenAt, expiresAt) =>
      (await update(data, lastSeenAt, expiresAt, key, Date.now())) === 1,
    touch: async (key, lastSeenAt, expiresAt) =>
      (await touch(lastSeenAt, expiresAt, key, Date.now())) === 1,
    remove: async (key) => (await remove(key, Date.now())) === 1,
    ping: async () => void (await ping()),
  };
}

function tokens(sqlite: Sqlite): Pick<Store, 'readTokens' | 'replaceTokens'> {
  const read = sqlite.row(
    'SELECT facts, tokens, version FROM sessions WHERE key = ? AND expires_at > ? AND version > 0',
  );
  const replace = sqlite.write(
    `UPDATE sessions SET facts = ?, tokens = ?, organization = ?, version = version + 1
     WHERE key = ? AND version = ? AND expires_at > ?`,
  );
  return {
    async readTokens(key) {
      const row = await read(key, Date.now());
      return row && { facts: bytes(row[0]), tokens: bytes(row[1]), version: Number(row[2]) };
    },
    replaceTokens: async (key, fromVersion, next) => {
      const values = [next.facts, next.tokens, next.organization ?? null] as const;
      return (await replace(...values, key, fromVersion, Date.now())) === 1;
    },
  };
}

function indexes(sqlite: Sqlite): Pick<Store, 'sessionsOf' | 'keysBy'> {
  const list = sqlite.rows(
    `SELECT key, started_at, last_seen_at, label FROM sessions
     WHERE person = ? AND expires_at > ? ORDER BY last_seen_at DESC`,
  );
  const keysBy = (column: string) =>
    sqlite.rows(`SELECT key FROM sessions WHERE ${column} = ? AND expires_at > ?`);
  const byIndex = {
    person: keysBy('person'),
    organization: keysBy('organization'),
    issuerSession: keysBy('issuer_session'),
  };
  return {
    async sessionsOf(person) {
      const rows = await list(person, Date.now());
      return rows.map(([key, startedAt, lastSeenAt, label]) => ({
        key: text(key),
        startedAt: Number(startedAt),
        lastSeenAt: Number(lastSeenAt),
        label: text(label),
      }));
    },
    async keysBy(index, indexKey) {
      const rows = await byIndex[index](indexKey, Date.now());
      return rows.map(([key]) => text(key));
    },
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

function bytes(column: unknown): Buffer {
  return optionalBytes(column) ?? Buffer.alloc(0);
}

function optionalBytes(column: unknown): Buffer | undefined {
  return Buffer.isBuffer(column) ? column : undefined;
}

function text(column: unknown): string {
  return typeof column === 'string' ? column : '';
}
