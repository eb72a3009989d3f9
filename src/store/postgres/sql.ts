// The table, and every statement on it; $1, $2 ... are the values in the order in which store.ts and
// pruning.ts pass them. Each statement is atomic on its own, so no transaction spans two of them.
// Times are in milliseconds since the epoch.

/**
 * One row for each session, and one with an owner for each lease. The block is safe to run again,
 * and by several instances at once: CREATE ... IF NOT EXISTS alone fails when two run it together,
 * and needs the right to create tables even if there is nothing to do.
 */
export const CREATE_TABLE = `
  DO $$ BEGIN
    IF to_regclass('authkit_sessions') IS NULL THEN
      PERFORM pg_advisory_xact_lock(hashtext('authkit_sessions'));
      CREATE TABLE IF NOT EXISTS authkit_sessions (
        key text PRIMARY KEY, data bytea, facts bytea, tokens bytea, version integer,
        person text, organization text, issuer_session text, label text, started_at bigint,
        last_seen_at bigint, expires_at bigint NOT NULL, ends_at bigint, owner text,
        recheck_at bigint NOT NULL DEFAULT 0
      );
      CREATE INDEX IF NOT EXISTS authkit_sessions_by_person
        ON authkit_sessions (person) WHERE person IS NOT NULL;
      CREATE INDEX IF NOT EXISTS authkit_sessions_by_organization
        ON authkit_sessions (organization) WHERE organization IS NOT NULL;
      CREATE INDEX IF NOT EXISTS authkit_sessions_by_issuer_session
        ON authkit_sessions (issuer_session) WHERE issuer_session IS NOT NULL;
      CREATE INDEX IF NOT EXISTS authkit_sessions_by_expiry ON authkit_sessions (expires_at);
    END IF;
    -- A table of an earlier version.
    IF NOT EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = to_regclass('authkit_sessions') AND attname = 'recheck_at'
    ) THEN
      ALTER TABLE authkit_sessions
        ADD COLUMN IF NOT EXISTS recheck_at bigint NOT NULL DEFAULT 0;
    END IF;
  END $$`;

/** After a failover, a connection may lead to a server that no longer accepts writes. */
export const IS_READ_ONLY = `SELECT current_setting('transaction_read_only') = 'on' AS is_read_only`;

const SESSION = `key, data, started_at, last_seen_at, expires_at, ends_at, version, person,
  organization, issuer_session, facts, tokens, label`;
/** The clock of PostgreSQL, so that clock skew between instances does no harm to leases. */
const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
/** An instance whose clock is behind may still use what has expired by the clock of PostgreSQL. */
const KEPT_MS = 3_600_000;

const findBy = (column: string) => `
  SELECT key, started_at, last_seen_at, label FROM authkit_sessions
  WHERE ${column} = $1 AND expires_at > $2 ORDER BY last_seen_at DESC`;

export const STATEMENTS = {
  ping: 'SELECT 1 FROM authkit_sessions LIMIT 1',
  read: `
    SELECT data, facts, version, last_seen_at, recheck_at FROM authkit_sessions
    WHERE key = $1 AND expires_at > $2`,
  read_tokens: `
    SELECT facts, tokens, version FROM authkit_sessions
    WHERE key = $1 AND expires_at > $2 AND version > 0`,
  insert: `
    INSERT INTO authkit_sessions (${SESSION})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (key) DO UPDATE SET (${SESSION}) =
      ROW (${SESSION.replaceAll(/\w+/g, 'excluded.$&')})`,
  // Rows are locked in one order: two sign-ins of a person at once could otherwise deadlock.
  end_oldest: `
    DELETE FROM authkit_sessions WHERE key IN (
      SELECT key FROM authkit_sessions WHERE key IN (
        SELECT key FROM authkit_sessions WHERE person = $1 ORDER BY started_at DESC OFFSET $2
      ) ORDER BY key FOR UPDATE
    )`,
  update: `
    UPDATE authkit_sessions SET data = $4, last_seen_at = $3, expires_at = least($5, ends_at)
    WHERE key = $1 AND expires_at > $2`,
  touch: `
    UPDATE authkit_sessions SET last_seen_at = $3, expires_at = least($4, ends_at)
    WHERE key = $1 AND expires_at > $2`,
  replace_tokens: `
    UPDATE authkit_sessions SET facts = $4, tokens = $5, organization = $6, version = version + 1
    WHERE key = $1 AND expires_at > $2 AND version = $3`,
  recheck: `
    UPDATE authkit_sessions SET recheck_at = greatest(recheck_at, $3)
    WHERE key = $1 AND expires_at > $2`,
  // Deletes an expired row too: a `touch` under way could otherwise revive it.
  remove: 'DELETE FROM authkit_sessions WHERE key = $1 RETURNING expires_at',
  by_person: findBy('person'),
  by_organization: findBy('organization'),
  by_issuer_session: findBy('issuer_session'),
  acquire_lease: `
    INSERT INTO authkit_sessions AS held (key, owner, expires_at) VALUES ($1, $2, ${NOW} + $3)
    ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
    WHERE held.owner = excluded.owner OR held.expires_at <= ${NOW}`,
  renew_lease: `
    UPDATE authkit_sessions SET expires_at = ${NOW} + $3
    WHERE key = $1 AND owner = $2 AND expires_at > ${NOW}`,
  release_lease: 'DELETE FROM authkit_sessions WHERE key = $1 AND owner = $2',
  // Instances that prune at the same time take different rows.
  prune: `
    DELETE FROM authkit_sessions WHERE key IN (
      SELECT key FROM authkit_sessions WHERE expires_at <= ${NOW} - ${KEPT_MS} LIMIT $1
      FOR UPDATE SKIP LOCKED
    )`,
};
