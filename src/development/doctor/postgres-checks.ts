// Checks PostgreSQL as a session store.
import { DatabaseError } from 'pg';
import { connectPostgres } from '../../store/postgres/client.ts';
import { postgresStore } from '../../store/postgres/store.ts';
import { describeFailure } from './http.ts';
import { ok, problem, type Finding } from './report.ts';

/**
 * Takes DATABASE_URL; returns whether sign-ins could be saved there. Creates the store's table if it
 * is missing, as the app does at its start, and deletes at once what it writes.
 */
export async function checkPostgres(url: string): Promise<Finding> {
  const { host } = new URL(url);
  const postgres = await connectPostgres(url);
  const store = postgresStore(postgres);
  try {
    const startedAt = performance.now();
    await postgres.query('doctor_ping', 'SELECT 1', []);
    const found = `${host} responds in ${(performance.now() - startedAt).toFixed(1)} ms`;
    await store.ping();
    return ok('PostgreSQL', found);
  } catch (error) {
    return describeProblem(host, error);
  } finally {
    await store.close();
  }
}

type Problem = [start: RegExp, what: string, change: string];

const PASSWORD = 'DATABASE_URL: set the right user and password';

/** By SQLSTATE (PostgreSQL documentation, appendix A). */
const PROBLEMS: Problem[] = [
  [/^28P01/, 'refuses the user or password', PASSWORD],
  [
    /^28/,
    'lets this user in neither from here nor without TLS, or not at all',
    'DATABASE_URL: set the right user, and sslmode=verify-full; or PostgreSQL: change pg_hba.conf',
  ],
  [/^3D000/, 'has no such database', 'DATABASE_URL: set one that exists, or create it'],
  [/^25006/, 'is read-only', 'DATABASE_URL: set the primary; this may be a standby'],
  [/^42501/, 'does not let this user do what sign-in needs', 'PostgreSQL: GRANT CREATE ON SCHEMA'],
  [/^53100/, 'has a full disk', 'PostgreSQL: make room on its disk'],
  [
    /^53300/,
    'has no connection left',
    'PostgreSQL: raise max_connections, or start fewer instances',
  ],
];
const OTHER: Problem = [/^/, 'refuses what sign-in needs', 'PostgreSQL: look up this SQLSTATE'];

function describeProblem(host: string, error: unknown): Finding {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof DatabaseError) {
    const { code = '' } = cause;
    const [, what, change] = PROBLEMS.find(([start]) => start.test(code)) ?? OTHER;
    return problem('PostgreSQL', `${host} responds, but ${what} (${code})`, change);
  }
  const { message } = cause as Error;
  // The only two errors of node-postgres itself to be expected; they have no code.
  if (/password/.test(message))
    return problem('PostgreSQL', `${host} asks for a password`, PASSWORD);
  const reason = /SSL/.test(message) ? 'it does not speak TLS' : describeFailure(cause);
  const start = 'start it, or DATABASE_URL: set its host and port, with sslmode if it uses TLS';
  return problem('PostgreSQL', `${host}: ${reason}`, start);
}
