// Counts in PostgreSQL, so that a rate limit holds across instances.
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';
import type { Postgres } from '../../store/postgres/client.ts';
import { demoTable } from '../postgres-table.ts';

const COUNT = `
  INSERT INTO demo_entries AS counted VALUES ($1, '1', $2::bigint + $3)
  ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN counted.expires_at > $2 THEN counted.value::integer + 1 ELSE 1 END,
    expires_at = CASE WHEN counted.expires_at > $2 THEN counted.expires_at ELSE excluded.expires_at END
  RETURNING value, expires_at`;
const READ = 'SELECT value, expires_at FROM demo_entries WHERE key = $1 AND expires_at > $2';

type Row = { value: string; expires_at: string };
const toInfo = ({ value, expires_at }: Row): ClientRateLimitInfo => ({
  totalHits: Number(value),
  resetTime: new Date(Number(expires_at)),
});

/** A store for express-rate-limit; a method rejects if PostgreSQL does not respond in time. */
export function postgresCounter(postgres: Postgres): (name: string) => Store {
  const { query, prune } = demoTable(postgres);
  return (name) => {
    const keyOf = (client: string) => `limit:${name}:${client}`;
    let windowMs = 0;
    return {
      init: (options) => void ({ windowMs } = options),
      async increment(client) {
        await prune();
        const values = [keyOf(client), Date.now(), windowMs];
        const { rows } = await query<Row>('demo_count', COUNT, values);
        // An upsert without a condition returns its row.
        return toInfo(rows[0] as Row);
      },
      async get(client) {
        const { rows } = await query<Row>('demo_read_count', READ, [keyOf(client), Date.now()]);
        return rows[0] && toInfo(rows[0]);
      },
      // For options and calls that are not in use here.
      decrement: () => undefined,
      resetKey: () => undefined,
    };
  };
}
