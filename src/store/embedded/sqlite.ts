// The SQLite file of the embedded store: opened so that several processes can share it, and asked
// so that a lock of another process is waited for without blocking this one.
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'libsql';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import { readTogether } from './read-batch.ts';

type MakeTables = (db: Database.Database) => void;
type Value = string | number | Buffer | null;

type Run<T> = (statement: Database.Statement, values: Value[]) => T;
/** Runs a statement with these values. */
type Ask<T> = (...values: Value[]) => Promise<T>;

export interface Sqlite {
  /** The first row as an array of columns. Not of a write: whether that failed is told after its rows. */
  row(sql: string): Ask<unknown[] | undefined>;
  /** As `row`, for what every request reads: see read-batch.ts. */
  rowTogether(sql: string): Ask<unknown[] | undefined>;
  rows(sql: string): Ask<unknown[][]>;
  /** Resolves to the number of rows written. */
  write(sql: string): Ask<number>;
  close(): Promise<void>;
}

// SQLite's own wait blocks the process, so it is short, and repeated from the event loop.
const LOCK_WAIT_MS = 20;
const LOCK_PATIENCE_MS = 2_000;

/**
 * Opens the file, or makes it (readable by its owner only) with its folder. `makeTables` is called each
 * time and must be harmless where it has run before, or runs in another process right now.
 *
 * @throws StoreError `store_damaged`, `store_readonly`, `store_full`, `store_unreachable`
 */
export async function openSqlite(file: string, makeTables: MakeTables): Promise<Sqlite> {
  const db = await attempt(file, () => open(file, makeTables));
  const ask = <T>(sql: string, run: Run<T>): Ask<T> => {
    const statement = prepare(file, db, sql);
    return (...values) => attempt(file, () => run(statement, values));
  };
  return {
    row: (sql) => ask(sql, first),
    rowTogether(sql) {
      const statement = prepare(file, db, sql);
      const together = readTogether(db, (values: Value[]) => first(statement, values));
      const alone = ask(sql, first);
      return (...values) => together(values).catch(() => alone(...values));
    },
    rows: (sql) => ask(sql, (statement, values) => statement.all(values) as unknown[][]),
    write: (sql) => ask(sql, (statement, values) => statement.run(values).changes),
    async close() {
      // Leaves one file with everything in it, for whoever copies it while nobody has it open.
      await attempt(file, () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')).catch(() => undefined);
      db.close();
    },
  };
}

function open(file: string, makeTables: MakeTables): Database.Database {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Before SQLite touches it: its -wal and -shm files take over the mode.
  // IMPORTANT: not where it is there. To close a file ends all locks of this process on it (fcntl(2)),
  // those of an open database too: another process would delete the log that this one writes to.
  if (existsSync(file)) accessSync(file, constants.W_OK);
  else closeSync(openSync(file, 'a', 0o600));
  const db = new Database(file);
  try {
    db.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    // Three or four sessions with their tokens fill a page of this size; 4096 would hold one.
    db.exec('PRAGMA page_size = 8192');
    // Readers and a writer do not wait for each other, and a process that is killed loses nothing
    // it was told is written. (A power cut may take the last moments: people sign in again.)
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = NORMAL');
    makeTables(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Its rows, if it has any, are arrays. */
function prepare(file: string, db: Database.Database, sql: string): Database.Statement {
  try {
    const statement = db.prepare(sql);
    return statement.reader ? statement.raw() : statement;
  } catch (error) {
    throw storeError(file, error);
  }
}

// IMPORTANT: all values of a statement go to libsql in one array. Given alone, a Buffer makes it
// abort the process; left out, a parameter silently keeps the value of the statement's last run.
async function attempt<T>(file: string, run: () => T): Promise<T> {
  const deadline = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      return run();
    } catch (error) {
      const isLocked = codeOf(error).startsWith('SQLITE_BUSY');
      if (!isLocked || performance.now() > deadline) throw storeError(file, error);
    }
    await delay(5 + Math.random() * 20);
  }
}

const first: Run<unknown[] | undefined> = (statement, values) =>
  statement.get(values) as unknown[] | undefined;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

type Reason = [start: RegExp, code: StoreErrorCode, reason: string];

const OTHER: Reason = [/^/, 'store_failed', 'failed'];
const REASONS: Reason[] = [
  [/^SQLITE_BUSY/, 'store_unreachable', 'is locked by another process'],
  [/^SQLITE_CANTOPEN/, 'store_unreachable', 'cannot be opened'],
  [/^SQLITE_ERROR/, 'store_damaged', 'is of another version'],
  [/^SQLITE_NOTADB/, 'store_damaged', 'is not a database'],
  [/^SQLITE_CORRUPT/, 'store_damaged', 'is damaged'],
  [/^(SQLITE_FULL|ENOSPC)/, 'store_full', 'has no room to grow'],
  [/^SQLITE_IOERR_WRITE/, 'store_full', 'has no room to grow, or the disk fails'],
  [/^(SQLITE_READONLY|EACCES|EPERM|EROFS)/, 'store_readonly', 'cannot be written'],
];

function storeError(file: string, cause: unknown): StoreError {
  const [, code, reason] = REASONS.find(([start]) => start.test(codeOf(cause))) ?? OTHER;
  const advice =
    code === 'store_damaged' ? '; move it aside to start afresh (everybody signs in again)' : '';
  return new StoreError(code, `the session file ${file} ${reason}${advice}`, { cause });
}
