// Checks the session store: PostgreSQL, Redis, or the file of the embedded store.
import { access, constants, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createClient, ErrorReply } from 'redis';
import type { Config } from '../../config/config.ts';
import { StoreError } from '../../store/errors.ts';
import { openSqlite } from '../../store/embedded/sqlite.ts';
import { isNoDatabase } from '../../store/redis/client.ts';
import { redisStore } from '../../store/redis/store.ts';
import { describeFailure } from './http.ts';
import { checkPostgres } from './postgres-checks.ts';
import { ok, problem, type Finding } from './report.ts';

const REDIS_TIMEOUT_MS = 3_000;

/** Takes the settings; returns whether the configured store can be used. Writes to a server what
 * it deletes at once, and nothing to a file. */
export function checkStore({ databaseUrl, redisUrl, sessionDb }: Config): Promise<Finding> {
  if (databaseUrl !== undefined) return checkPostgres(databaseUrl);
  return redisUrl === undefined ? checkFile(sessionDb) : checkRedis(redisUrl);
}

async function checkRedis(url: string): Promise<Finding> {
  const { host } = new URL(url);
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // socketTimeout is for a server that accepts the connection and never responds.
    socket: {
      connectTimeout: REDIS_TIMEOUT_MS,
      socketTimeout: REDIS_TIMEOUT_MS,
      reconnectStrategy: false,
    },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const startedAt = performance.now();
    await client.ping();
    const found = `${host} responds in ${(performance.now() - startedAt).toFixed(1)} ms`;
    await redisStore(client).ping();
    return ok('Redis', found);
  } catch (cause) {
    if (isNoDatabase(cause)) {
      const found = `${host} has no database of this number`;
      return problem('Redis', found, 'REDIS_URL: set a lower one, as in redis://host:6379/1');
    }
    const reply = replyIn(cause);
    if (reply !== undefined) {
      const found = `${host} responds, but refuses what sign-in needs (${reply})`;
      return problem('Redis', found, CHANGES[reply] ?? 'Redis: look up this error reply');
    }
    const change = 'REDIS_URL: set the right user and password';
    if (/WRONGPASS|NOAUTH/.test(String(cause))) {
      return problem('Redis', `${host} refuses the user or password`, change);
    }
    const start = 'start it, or REDIS_URL: set its host and port, with rediss:// if it uses TLS';
    return problem('Redis', `${host}: ${describeFailure(cause)}`, start);
  } finally {
    if (client.isOpen) client.destroy();
  }
}

/** What to change for the first word of an error reply. */
const CHANGES: Record<string, string> = {
  READONLY: 'REDIS_URL: set the primary; this is a replica',
  OOM: 'Redis: raise maxmemory, and set maxmemory-policy noeviction',
  NOPERM: 'Redis: allow this user scripts and all keys, as in ACL SETUSER <user> ~* +@all',
  CLUSTERDOWN: 'Redis: assign every hash slot of the cluster',
  MISCONF: 'Redis: it cannot save its data; look at its log',
  NOREPLICAS: 'Redis: start its replicas, or lower min-replicas-to-write',
};

/** The first word of the error reply to a write, which quotes neither keys nor values. */
function replyIn(error: unknown): string | undefined {
  if (!(error instanceof StoreError) || !(error.cause instanceof ErrorReply)) return undefined;
  return /^[A-Z]+/.exec(error.cause.message)?.[0];
}

async function checkFile(file: string): Promise<Finding> {
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    () => undefined,
  );
  if (isFile === false)
    return problem('session file', `${file} is a folder, not a file`, OTHER_FILE);
  // Before the first start, the folder may be missing too: the app creates it. While in use, SQLite
  // writes two more files next to this one (https://sqlite.org/wal.html §2.2).
  const folder = await nearestFolder(dirname(file));
  if (!(await stat(folder)).isDirectory()) {
    return problem('session file', `${folder} is a file, not a folder`, OTHER_FILE);
  }
  for (const place of isFile ? [folder, file] : [folder]) {
    try {
      await access(place, constants.R_OK | constants.W_OK);
    } catch {
      return problem('session file', `${place} is not writable by this user`, OTHER_FILE);
    }
  }
  if (isFile && !(await isSqlite(file))) {
    const change = 'move it aside, or SESSION_DB=<another file>';
    return problem('session file', `${file} is not a database`, change);
  }
  if (!isFile) return ok('session file', `${file} will be created`);
  try {
    // A write lock needs what a write needs, the log of another user included, and changes nothing.
    await (await openSqlite(file, (db) => db.exec('BEGIN IMMEDIATE; ROLLBACK'))).close();
    return ok('session file', file);
  } catch (error) {
    const { message } = error as StoreError;
    return problem('session file', message.replace('the session file ', ''), OTHER_FILE);
  }
}

const OTHER_FILE = 'SESSION_DB=<a writable file in a writable folder>';

async function nearestFolder(folder: string): Promise<string> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  return exists || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/** A database starts with this header (https://sqlite.org/fileformat.html §1.3) or is empty. */
async function isSqlite(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(16), 0, 16, 0);
    return bytesRead === 0 || buffer.toString('latin1') === 'SQLite format 3\0';
  } finally {
    await handle.close();
  }
}
