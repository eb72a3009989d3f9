// The tables of the session file, and the migrations from older versions.
import Database from 'libsql';

/** The migration at index n takes the file from version n to n + 1. */
const MIGRATIONS = [
  // Release 0.1.0 left user_version at 0. `tokens` was its last column.
  `CREATE TABLE IF NOT EXISTS sessions (
     key TEXT NOT NULL UNIQUE, user_key TEXT, data NOT NULL, "grant", version INTEGER NOT NULL,
     browser TEXT, started_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, tokens
   );
   CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_key) WHERE user_key IS NOT NULL;
   CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);
   CREATE TABLE IF NOT EXISTS leases (
     name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL
   );`,
  `ALTER TABLE sessions RENAME COLUMN user_key TO person;
   ALTER TABLE sessions RENAME COLUMN "grant" TO facts;
   ALTER TABLE sessions RENAME COLUMN browser TO label;
   ALTER TABLE sessions ADD COLUMN organization TEXT;
   ALTER TABLE sessions ADD COLUMN issuer_session TEXT;
   CREATE INDEX sessions_by_organization ON sessions (organization) WHERE organization IS NOT NULL;
   CREATE INDEX sessions_by_issuer_session ON sessions (issuer_session)
     WHERE issuer_session IS NOT NULL;
   DROP TABLE IF EXISTS entries;`,
  `ALTER TABLE sessions ADD COLUMN recheck_at INTEGER NOT NULL DEFAULT 0;`,
];

/**
 * Migrates the file in one transaction, since another process may open it at the same time.
 * @throws Error with an SQLite code, also for a file of a later version, which is left unchanged
 */
export function migrate(db: Database.Database): void {
  if (versionOf(db) === MIGRATIONS.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(db);
    if (version > MIGRATIONS.length)
      throw new Database.SqliteError(`user_version is ${version}`, 'SQLITE_ERROR', 1);
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    db.exec('COMMIT');
  } finally {
    if (db.inTransaction) db.exec('ROLLBACK');
  }
}

function versionOf(db: Database.Database): number {
  const [version] = db.prepare('PRAGMA user_version').raw().get([]) as [number];
  return version;
}
