// The demo's own table in PostgreSQL: its entries, and the counts of its rate limits.
import type { Postgres } from '../store/postgres/client.ts';

const CREATE = `
  DO $$ BEGIN
    IF to_regclass('demo_entries') IS NULL THEN
      PERFORM pg_advisory_xact_lock(hashtext('demo_entries'));
      CREATE TABLE IF NOT EXISTS demo_entries (
        key text PRIMARY KEY, value text NOT NULL, expires_at bigint NOT NULL
      );
      CREATE INDEX IF NOT EXISTS demo_entries_by_expiry ON demo_entries (expires_at);
    END IF;
  END $$`;

const PRUNE = `
  DELETE FROM demo_entries WHERE key IN (
    SELECT key FROM demo_entries WHERE expires_at <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED
  )`;

export interface DemoTable {
  query: Postgres['query'];
  /** Deletes some of the entries that have expired by now. */
  prune: () => Promise<unknown>;
}

/** Creates the table before the first statement, since PostgreSQL may be down at the start. */
export function demoTable(postgres: Postgres): DemoTable {
  let created: Promise<unknown> | undefined;
  const query: Postgres['query'] = async (...statement) => {
    created ??= postgres.query('demo_create', CREATE, []).catch((error: unknown) => {
      created = undefined;
      throw error;
    });
    await created;
    return postgres.query(...statement);
  };
  return { query, prune: () => query('demo_prune', PRUNE, [Date.now()]) };
}
