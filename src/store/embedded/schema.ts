// The tables of the session file, and how a file of an older version becomes one of this.
import Database from 'libsql';

/** Each brings the file from the version that is its place in the list to the next one. */
const MIGRATIONS = [
  // Version 0.1.0 did not number its files. The tokens were its last column.
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
];

/**
 * Brings a file up to date, in one transaction: another process may open it at the same time.
 * @throws Error with a code of SQLite's; so for a file of a later version, which stays as it is
 */
export function migrate(db: Database.Database): void {
  if (versionOf(db) === MIGRATIONS.length) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(db);
    if (version > MIGRATIONS.length)
      throw new Database.SqliteError(`user_version is ${version}`, 'SQLITE_ERROR');
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
