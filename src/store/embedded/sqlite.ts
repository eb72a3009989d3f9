// The SQLite file of the embedded store. Several processes can share it; waiting for another
// process's lock does not block this one.
import * as fs from 'node:fs';
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

/** Each method prepares one statement. */
export type Sqlite = Awaited<ReturnType<typeof openSqlite>>;

// SQLite's own wait for a lock blocks the process, so it is short and retried from the event loop.
const BUSY_TIMEOUT_MS = 20;
const LOCK_TIMEOUT_MS = 2_000;

/**
 * Opens the file, or creates it with its folder, readable by its owner only. `createTables` runs on
 * every open, so it must be idempotent and safe while another process runs it.
 *
 * @throws StoreError `store_damaged`, `store_readonly`, `store_full`, `store_unreachable`
 */
export async function openSqlite(file: string, createTables: CreateTables) {
  const db = await retry(file, () => open(file, createTables));
  const query = <T>(sql: string, run: Run<T>): Query<T> => {
    const statement = prepare(file, db, sql);
    return (...values) => retry(file, () => run(statement, values));
  };
  return {
    /**
     * The first row as an array of columns. Not for writes: libsql reports their failure only after
     * the last row.
     */
    row: (sql: string) => query(sql, firstRow),
    /** Like `row`, batched (read-batch.ts): for the read that every request makes. */
    rowTogether(sql: string): Query<unknown[] | undefined> {
      const statement = prepare(file, db, sql);
      const together = readTogether(db, (values: Value[]) => firstRow(statement, values));
      const alone = query(sql, firstRow);
      return (...values) => together(values).catch(() => alone(...values));
    },
    rows: (sql: string) => query(sql, (statement, values) => statement.all(values) as unknown[][]),
    /** Resolves to the number of rows written. */
    write: (sql: string) => query(sql, (statement, values) => statement.run(values).changes),
    async close() {
      // Moves the write-ahead log into the file, so that a backup of the closed file is complete.
      await retry(file, () => db.exec('PRAGMA wal_checkpoint(TRUNCATE)')).catch(() => undefined);
      db.close();
    },
  };
}

function open(file: string, createTables: CreateTables): Database.Database {
  fs.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Created before SQLite opens it, since its -wal and -shm files inherit the mode.
  // IMPORTANT: never open and close an existing file. Closing it releases all locks of this process
  // on it (fcntl(2)), those of an open database included: another process would then delete the log
  // that this one writes to.
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw Object.assign(new Error(`${file} is a folder`), IS_FOLDER);
  if (found) fs.accessSync(file, fs.constants.W_OK);
  else fs.closeSync(fs.openSync(file, 'a', 0o600));
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
      const isLocked = hasCode(error, SQLITE_BUSY);
      if (!isLocked || performance.now() > deadline) throw storeError(file, error);
    }
    await delay(5 + Math.random() * 20);
  }
}

const firstRow: Run<unknown[] | undefined> = (statement, values) =>
  statement.get(values) as unknown[] | undefined;

const IS_FOLDER = { code: 'EISDIR' };

// https://sqlite.org/rescode.html: the lower eight bits of an extended result code are the primary one.
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_CANTOPEN = 14;

type Code = number | string;

/** The first row that has the extended, the primary, or the file system's code of an error. */
const REASONS: [codes: Code[], code: StoreErrorCode, reason: string][] = [
  [[SQLITE_BUSY], 'store_unreachable', 'is locked by another process'],
  [[SQLITE_CANTOPEN], 'store_unreachable', 'cannot be opened'],
  [[1], 'store_damaged', 'was written by another version'],
  [[26], 'store_damaged', 'is not a database'],
  [[11], 'store_damaged', 'is damaged'],
  [[13, 'ENOSPC'], 'store_full', 'has no room to grow'],
  // SQLITE_IOERR_WRITE, and all other input and output errors.
  [[778], 'store_full', 'has no room to grow, or the disk is failing'],
  [[10], 'store_failed', 'cannot be read or written: the disk is failing'],
  [[SQLITE_READONLY, 'EACCES', 'EPERM', 'EROFS'], 'store_readonly', 'cannot be written'],
  [['EISDIR'], 'store_unreachable', 'is a folder'],
  [['EEXIST', 'ENOTDIR'], 'store_unreachable', 'has a file where its folder should be'],
];

function hasCode(error: unknown, ...codes: Code[]): boolean {
  const { code = '', rawCode = 0 } = Object(error) as { code?: string; rawCode?: number };
  return [rawCode, rawCode & 0xff, code].some((of) => codes.includes(of));
}

function storeError(file: string, cause: unknown): StoreError {
  const [, code = 'store_failed', reason = 'failed'] =
    REASONS.find(([codes]) => hasCode(cause, ...codes)) ?? [];
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
  if (path === file) return fs.existsSync(file) ? undefined : dirname(file);
  if (!hasCode(cause, SQLITE_CANTOPEN, SQLITE_READONLY)) return undefined;
  const logs = [`${file}-wal`, `${file}-shm`].filter((log) => fs.existsSync(log));
  return [...logs, dirname(file)].find((place) => !isWritable(place));
}

function isWritable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
