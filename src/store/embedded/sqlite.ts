// The SQLite file of the embedded store. Several processes can share it; waiting for another
// process's lock does not block this one.
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'libsql';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import { readTogether } from './read-batch.ts';

type CreateTables = (db: Database.Database) => void;
type Value = string | number | Buffer | null;

// IMPORTANT: pass all values of a statement to libsql in one array. A Buffer passed on its own
// aborts the process; a parameter left out silently keeps its value from the previous run.
type Run<T> = (statement: Database.Statement, values: Value[]) => T;
/** Runs a prepared statement with these values. */
type Query<T> = (...values: Value[]) => Promise<T>;

export interface Sqlite {
  /**
   * The first row as an array of columns. Not for writes: libsql reports their failure only after
   * the last row.
   */
  row(sql: string): Query<unknown[] | undefined>;
  /** Like `row`, batched (read-batch.ts): for the read that every request makes. */
  rowTogether(sql: string): Query<unknown[] | undefined>;
  rows(sql: string): Query<unknown[][]>;
  /** Resolves to the number of rows written. */
  write(sql: string): Query<number>;
  close(): Promise<void>;
}

// SQLite's own wait for a lock blocks the process, so it is short and retried from the event loop.
const BUSY_TIMEOUT_MS = 20;
const LOCK_TIMEOUT_MS = 2_000;

/**
 * Opens the file, or creates it with its folder, readable by its owner only. `createTables` runs on
 * every open, so it must be idempotent and safe while another process runs it.
 *
 * @throws StoreError `store_damaged`, `store_readonly`, `store_full`, `store_unreachable`
 */
export async function openSqlite(file: string, createTables: CreateTables): Promise<Sqlite> {
  const db = await retry(file, () => open(file, createTables));
  const query = <T>(sql: string, run: Run<T>): Query<T> => {
    const statement = prepare(file, db, sql);
    return (...values) => retry(file, () => run(statement, values));
  };
  return {
    row: (sql) => query(sql, firstRow),
    rowTogether(sql) {
      const statement = prepare(file, db, sql);
      const together = readTogether(db, (values: Value[]) => firstRow(statement, values));
      const alone = query(sql, firstRow);
      return (...values) => together(values).catch(() => alone(...values));
    },
    rows: (sql) => query(sql, (statement, values) => statement.all(values) as unknown[][]),
    write: (sql) => query(sql, (statement, values) => statement.run(values).changes),
    async close() {
      // Moves the write-ahead log into the file, so that a backup of the closed file is complete.
      await retry(file, () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')).catch(() => undefined);
      db.close();
    },
  };
}

function open(file: string, createTables: CreateTables): Database.Database {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Created before SQLite opens it, since its -wal and -shm files inherit the mode.
  // IMPORTANT: never open and close an existing file. Closing it releases all locks of this process
  // on it (fcntl(2)), those of an open database included: another process would then delete the log
  // that this one writes to.
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw Object.assign(new Error(`${file} is a folder`), IS_FOLDER);
  if (found) accessSync(file, constants.W_OK);
  else closeSync(openSync(file, 'a', 0o600));
  const db = new Database(file);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    // A page of this size holds three or four sessions with their tokens; one of 4096 holds one.
    db.exec('PRAGMA page_size = 8192');
    // Readers and a writer do not block each other, and a killed process loses no acknowledged
    // write. A power cut may lose the last few writes: the users affected sign in again.
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = NORMAL');
    createTables(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A statement that returns rows returns them as arrays. */
function prepare(file: string, db: Database.Database, sql: string): Database.Statement {
  try {
    const statement = db.prepare(sql);
    return statement.reader ? statement.raw() : statement;
  } catch (error) {
    throw storeError(file, error);
  }
}

/** Tries again while another process holds the lock, for at most LOCK_TIMEOUT_MS. */
async function retry<T>(file: string, run: () => T): Promise<T> {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
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

const firstRow: Run<unknown[] | undefined> = (statement, values) =>
  statement.get(values) as unknown[] | undefined;

const IS_FOLDER = { code: 'EISDIR' };

/** Primary result codes (https://sqlite.org/rescode.html). */
const PRIMARY_CODES: Record<number, string> = {
  1: 'SQLITE_ERROR',
  5: 'SQLITE_BUSY',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  26: 'SQLITE_NOTADB',
};

/** The name of a libsql or file system error; that of its primary code if libsql names none. */
function codeOf(error: unknown): string {
  const { code = '', rawCode } = Object(error) as { code?: string; rawCode?: number };
  const isNamed = /^SQLITE_[A-Z]|^E[A-Z]/.test(code);
  return isNamed || rawCode === undefined ? code : (PRIMARY_CODES[rawCode & 0xff] ?? code);
}

type Reason = [start: RegExp, code: StoreErrorCode, reason: string];

const UNKNOWN: Reason = [/^/, 'store_failed', 'failed'];
const REASONS: Reason[] = [
  [/^SQLITE_BUSY/, 'store_unreachable', 'is locked by another process'],
  [/^SQLITE_CANTOPEN/, 'store_unreachable', 'cannot be opened'],
  [/^SQLITE_ERROR/, 'store_damaged', 'was written by another version'],
  [/^SQLITE_NOTADB/, 'store_damaged', 'is not a database'],
  [/^SQLITE_CORRUPT/, 'store_damaged', 'is damaged'],
  [/^(SQLITE_FULL|ENOSPC)/, 'store_full', 'has no room to grow'],
  [/^SQLITE_IOERR_WRITE/, 'store_full', 'has no room to grow, or the disk is failing'],
  [/^SQLITE_IOERR/, 'store_failed', 'cannot be read or written: the disk is failing'],
  [/^(SQLITE_READONLY|EACCES|EPERM|EROFS)/, 'store_readonly', 'cannot be written'],
  [/^EISDIR/, 'store_unreachable', 'is a folder'],
  [/^(EEXIST|ENOTDIR)/, 'store_unreachable', 'has a file where its folder should be'],
];

function storeError(file: string, cause: unknown): StoreError {
  const [, code, reason] = REASONS.find(([start]) => start.test(codeOf(cause))) ?? UNKNOWN;
  const advice =
    code === 'store_damaged' ? '; move it aside to start afresh (all users sign in again)' : '';
  const other = fileInTheWay(file, cause);
  const where = other === undefined ? '' : `: look at ${other}`;
  return new StoreError(code, `the session file ${file} ${reason}${where}${advice}`, { cause });
}

/** What is in the way if it is not the file itself: its folder, or a log that another user owns. */
function fileInTheWay(file: string, cause: unknown): string | undefined {
  const { path } = Object(cause) as { path?: string };
  if (path !== undefined && path !== file) return path;
  if (path === file) return existsSync(file) ? undefined : dirname(file);
  if (!/^SQLITE_(CANTOPEN|READONLY)/.test(codeOf(cause))) return undefined;
  const logs = [`${file}-wal`, `${file}-shm`].filter((log) => existsSync(log));
  return [...logs, dirname(file)].find((place) => !isWritable(place));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
