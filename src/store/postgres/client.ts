// The connections to PostgreSQL. They are made again as needed; while it is down, every command fails
// at once.
import { Client, DatabaseError, Pool, type QueryResult, type QueryResultRow } from 'pg';
import { within } from '../deadline.ts';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import type { StoreEventListener } from '../types.ts';
import { CREATE_TABLE, IS_READ_ONLY } from './sql.ts';

export type Value = string | number | Buffer | null;

export interface Postgres {
  /**
   * Runs a statement, which each connection prepares once under this name.
   * @throws StoreError any code but `store_damaged`, at the latest after a second
   */
  query<Row extends QueryResultRow>(
    name: string,
    text: string,
    values: Value[],
  ): Promise<QueryResult<Row>>;
  close(): Promise<void>;
}

const CONNECTIONS = 10;
const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 2_000;
const CHECK_EVERY_MS = 1_000;
// A server that stays read-only still serves reads, which need a new connection each time.
const RECONNECT_EVERY_MS = 2_000;

/**
 * Connects to `postgres://` or `postgresql://`, and creates the store's table if it is missing.
 * Resolves once that is done, or has failed or taken two seconds; it is then tried every second.
 *
 * @throws StoreError `store_failed` when `url` is not a PostgreSQL URL
 */
export async function connectPostgres(
  url: string,
  onEvent: StoreEventListener = () => undefined,
): Promise<Postgres> {
  const connectionString = normalize(url);
  const newPool = () => openPool(connectionString, () => void check());
  let pool = newPool();
  let replacedAt = -Infinity;
  let isClosed = false;
  let isReachable: boolean | undefined;
  /** Why commands fail at once, until a check succeeds. */
  let failure: StoreError | undefined;
  let checking: Promise<void> | undefined;

  // After an outage, its other connections may hang; after a failover, they may lead to a server
  // that is no longer the primary, and would stay there.
  function replacePool(): void {
    const now = performance.now();
    if (isClosed || now - replacedAt < RECONNECT_EVERY_MS) return;
    replacedAt = now;
    void pool.end();
    pool = newPool();
  }

  async function checkNow(): Promise<void> {
    try {
      const isReadOnly = await inTime(CONNECT_TIMEOUT_MS, async () => {
        if (!isReachable) await pool.query(CREATE_TABLE);
        const { rows } = await pool.query<{ is_read_only: boolean }>(IS_READ_ONLY);
        return rows[0]?.is_read_only;
      });
      failure = undefined;
      if (isReadOnly) replacePool();
      if (!isReachable && !isClosed) onEvent({ event: 'store_reachable' });
      isReachable = true;
    } catch (error) {
      failure = toStoreError(error);
      replacePool();
      const event = { event: 'store_unreachable', code: failure.code } as const;
      if (isReachable !== false && !isClosed) onEvent(event, failure.cause ?? failure);
      isReachable = false;
    }
  }

  async function check(): Promise<void> {
    if (isClosed) return;
    checking ??= checkNow().finally(() => (checking = undefined));
    await checking;
  }

  const timer = setInterval(() => void check(), CHECK_EVERY_MS).unref();
  await check();

  return {
    async query<Row extends QueryResultRow>(name: string, text: string, values: Value[]) {
      if (failure) throw failure;
      try {
        return await inTime(COMMAND_TIMEOUT_MS, () => pool.query<Row>({ name, text, values }));
      } catch (cause) {
        const error = toStoreError(cause);
        // Until the check is over, further commands would wait for as long as this one.
        if (cause instanceof StoreError) failure = error;
        if (error.code === 'store_unreachable' || error.code === 'store_readonly') void check();
        throw error;
      }
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      await checking;
      await pool.end();
    },
  };
}

/** The URL for pg, which verifies the certificate unless `sslmode` is `no-verify`. */
function normalize(url: string): string {
  try {
    const parsed = new URL(url);
    if (!/^postgres(ql)?:$/.test(parsed.protocol)) throw new Error('not a PostgreSQL URL');
    // These mean verify-full to pg 8, which warns that they will be weaker in pg 9.
    if (/^(prefer|require|verify-ca)$/.test(parsed.searchParams.get('sslmode') ?? ''))
      parsed.searchParams.set('sslmode', 'verify-full');
    // Parses it, and reads the files that it names; connects only when told to.
    void new Client(parsed.href);
    return parsed.href;
  } catch {
    // No cause: the original error may quote the URL with its password.
    const example = 'postgres://user:password@host:5432/database';
    throw new StoreError(
      'store_failed',
      `invalid PostgreSQL URL, or it names a file that cannot be read; use one like ${example}`,
    );
  }
}

function openPool(connectionString: string, onError: () => void): Pool {
  const pool = new Pool({
    connectionString,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // Closes a connection that hangs.
    query_timeout: CONNECT_TIMEOUT_MS,
    // Without it, statements that wait for a lock would use up the connections of the server, which
    // does not notice that nobody waits for them.
    statement_timeout: COMMAND_TIMEOUT_MS,
    keepAlive: true,
  });
  // Without this listener, the end of an idle connection would end the process.
  return pool.on('error', onError);
}

/** Waits at most `ms` milliseconds, for a connection as well as for the reply. */
const inTime = <T>(ms: number, command: () => Promise<T>): Promise<T> =>
  within(ms, command, () => {
    const message = `PostgreSQL did not respond within ${ms} ms`;
    return new StoreError('store_unreachable', message);
  });

function toStoreError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  return new StoreError(codeOf(cause), 'PostgreSQL refused a command or is down', { cause });
}

/** By SQLSTATE (PostgreSQL documentation, appendix A). */
const SQLSTATES: [start: RegExp, code: StoreErrorCode][] = [
  [/^53100/, 'store_full'],
  [/^25006/, 'store_readonly'],
  // A lost connection, a rollback, no resources, a timeout, a server that starts or stops.
  [/^(08|40|53|55P03|57)/, 'store_unreachable'],
];

function codeOf(error: unknown): StoreErrorCode {
  if (!(error instanceof DatabaseError)) return 'store_unreachable';
  return SQLSTATES.find(([start]) => start.test(error.code ?? ''))?.[1] ?? 'store_failed';
}
