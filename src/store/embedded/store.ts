// Sessions in one SQLite file, for one machine. The file survives restarts and kill -9, several
// processes may share it, and it needs no server. Each call is one statement; no transaction spans
// several calls.
import { MOST_SESSIONS_PER_PERSON } from '../../auth/session/records.ts';
import { columnsOf } from '../columns.ts';
import { createProbe } from '../probe.ts';
import type { Indexes, Leases, Reads, Store, Writes } from '../types.ts';
import { startPruning } from './pruning.ts';
import { migrate } from './schema.ts';
import { openSqlite, type Sqlite } from './sqlite.ts';

/** Above this many, the sessions that expire soonest are deleted. */
const MAX_SESSIONS = 1_000_000;
const PRUNE_EVERY_MS = 60_000;

/**
 * Opens the file, or creates it with its folder.
 *
 * @throws StoreError `store_damaged` when the file is not a session database of this version: it is
 *   left unchanged, and moving it aside starts afresh; `store_readonly`, `store_full`,
 *   `store_unreachable`
 */
export async function openEmbeddedStore({ file }: { file: string }): Promise<Store> {
  const sqlite = await openSqlite(file, migrate);
  const methods = { ...reads(sqlite), ...writes(sqlite), ...indexes(sqlite), ...leases(sqlite) };
  const stopPruning = startPruning(sqlite, MAX_SESSIONS, PRUNE_EVERY_MS);
  return {
    ...methods,
    ping: createProbe(methods),
    async close() {
      await stopPruning();
      await sqlite.close();
    },
  };
}

function reads(sqlite: Sqlite): Reads {
  const read = sqlite.rowTogether(
    `SELECT data, facts, version, last_seen_at, recheck_at FROM sessions
     WHERE key = ? AND expires_at > ?`,
  );
  const readTokens = sqlite.row(
    'SELECT facts, tokens, version FROM sessions WHERE key = ? AND expires_at > ? AND version > 0',
  );
  return {
    async read(key) {
      const [data, facts, ...numbers] = (await read(key, Date.now())) ?? [];
      if (!Buffer.isBuffer(data)) return undefined;
      const [version = 0, lastSeenAt = 0, recheckAt = 0] = numbers.map(Number);
      const sealed = { data, facts: Buffer.isBuffer(facts) ? facts : undefined };
      return { ...sealed, version, lastSeenAt, recheckAt };
    },
    async readTokens(key) {
      const [facts, tokens, version] = (await readTokens(key, Date.now())) ?? [];
      const exists = Buffer.isBuffer(facts) && Buffer.isBuffer(tokens);
      return exists ? { facts, tokens, version: Number(version) } : undefined;
    },
  };
}

function writes(sqlite: Sqlite): Writes {
  const insert = sqlite.write(
    `INSERT OR REPLACE INTO sessions (key, data, started_at, last_seen_at, expires_at, ends_at, version,
       person, organization, issuer_session, facts, tokens, label)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const endOldest = sqlite.write(
    `DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions
     WHERE person = ? ORDER BY started_at DESC, rowid DESC LIMIT -1 OFFSET ?)`,
  );
  const update = sqlite.write(
    `UPDATE sessions SET data = coalesce(?, data), last_seen_at = ?, expires_at = min(?, ends_at)
     WHERE key = ? AND expires_at > ?`,
  );
  const replaceTokens = sqlite.write(
    `UPDATE sessions SET facts = ?, tokens = ?, organization = ?, version = version + 1
     WHERE key = ? AND version = ? AND expires_at > ?`,
  );
  const recheck = sqlite.write(
    'UPDATE sessions SET recheck_at = max(recheck_at, ?) WHERE key = ? AND expires_at > ?',
  );
  // Deletes an expired row too: a `touch` under way could otherwise revive it.
  const remove = sqlite.rows('DELETE FROM sessions WHERE key = ? RETURNING expires_at');
  return {
    async insert(key, session) {
      await insert(key, ...columnsOf(session));
      const { signIn } = session;
      if (signIn) await endOldest(signIn.keys.person, MOST_SESSIONS_PER_PERSON);
    },
    update: async (key, data, lastSeenAt, expiresAt) =>
      (await update(data, lastSeenAt, expiresAt, key, Date.now())) === 1,
    touch: async (key, lastSeenAt, expiresAt) =>
      (await update(null, lastSeenAt, expiresAt, key, Date.now())) === 1,
    async replaceTokens(key, from, { facts, tokens, organization = null }) {
      return (await replaceTokens(facts, tokens, organization, key, from, Date.now())) === 1;
    },
    recheck: async (key, at) => void (await recheck(at, key, Date.now())),
    async remove(key) {
      const removed = await remove(key);
      return removed.some(([expiresAt]) => Number(expiresAt) > Date.now());
    },
  };
}

function indexes(sqlite: Sqlite): Indexes {
  const findBy = (column: string) =>
    sqlite.rows(
      `SELECT key, started_at, last_seen_at, label FROM sessions
       WHERE ${column} = ? AND expires_at > ? ORDER BY last_seen_at DESC`,
    );
  const by = {
    person: findBy('person'),
    organization: findBy('organization'),
    issuerSession: findBy('issuer_session'),
  };
  return {
    async sessionsOf(person) {
      const rows = await by.person(person, Date.now());
      return rows.map(([key, startedAt, lastSeenAt, label]) => ({
        key: String(key),
        startedAt: Number(startedAt),
        lastSeenAt: Number(lastSeenAt),
        label: String(label),
      }));
    },
    keysBy: async (index, indexKey) =>
      (await by[index](indexKey, Date.now())).map(([key]) => String(key)),
  };
}

function leases(sqlite: Sqlite): Leases {
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
