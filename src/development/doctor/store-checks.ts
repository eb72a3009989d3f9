// Checks the session store: PostgreSQL, Redis, or the file of the embedded store.
import { access, constants, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ErrorReply } from 'redis';
import type { Config } from '../../config/config.ts';
import { StoreError } from '../../store/errors.ts';
import { openSqlite } from '../../store/embedded/sqlite.ts';
import { parseRedisUrl } from '../../store/redis-connection/address.ts';
import { isNoDatabase } from '../../store/redis-connection/failures.ts';
import { openLink } from '../../store/redis-connection/open-link.ts';
import { redisStore } from '../../store/redis/store.ts';
import { describeFailure } from './http.ts';
import { checkPostgres } from './postgres-checks.ts';
import { ok, problem, type Finding } from './report.ts';

/** Takes the settings; returns whether the configured store can be used. Writes to a server what
 * it deletes at once, and nothing to a file. */
export function checkStore({ databaseUrl, redisUrl, sessionDb }: Config): Promise<Finding> {
  if (databaseUrl !== undefined) return checkPostgres(databaseUrl);
  return redisUrl === undefined ? checkFile(sessionDb) : checkRedis(redisUrl);
}

async function checkRedis(url: string): Promise<Finding> {
  const address = parseRedisUrl(url);
  const at = address.hosts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const needed = await openLink(address, () => undefined)
    .then((link) => ({ link }))
    .catch((cause: unknown) => ({ cause }));
  if ('cause' in needed) return redisProblem(at, needed.cause);
  const { link } = needed;
  try {
    const startedAt = performance.now();
    await link.ping();
    const found = `${at} responds in ${(performance.now() - startedAt).toFixed(1)} ms`;
    // One server of a cluster takes what fits its slots: one key does not find it out.
    await Promise.all(Array.from({ length: PROBES }, () => redisStore(link).ping()));
    return ok('Redis', found);
  } catch (error) {
    return redisProblem(at, error instanceof StoreError ? error.cause : error);
  } finally {
    link.close();
  }
}

function redisProblem(at: string, cause: unknown): Finding {
  const message = cause instanceof Error ? cause.message : '';
  const change = CHANGES.find(([text]) => text.test(message))?.[1];
  if (/WRONGPASS|NOAUTH/.test(message)) {
    return problem('Redis', `${at} refuses the user or password`, CREDENTIALS);
  }
  if (isNoDatabase(cause)) {
    const found = `${at} has no database of this number`;
    return problem('Redis', found, 'REDIS_URL: set a lower one, as in redis://host:6379/1');
  }
  if (cause instanceof ErrorReply) {
    // The first word of an error reply quotes neither keys nor values.
    const [reply = ''] = message.split(' ');
    const found = `${at} responds, but refuses what sign-in needs (${reply})`;
    return problem('Redis', found, change ?? 'Redis: look up this error reply');
  }
  const start = 'start it, or REDIS_URL: set its host and port, with rediss:// if it uses TLS';
  const failure = change === undefined ? describeFailure(cause) : message;
  return problem('Redis', `${at}: ${failure}`, change ?? start);
}

const PROBES = 8;
const CREDENTIALS = 'REDIS_URL: set the right user and password';

/** What to change for an error message. */
const CHANGES: [message: RegExp, change: string][] = [
  [/monitors no primary/, 'REDIS_URL: set the name that the Sentinels monitor'],
  [/is not a primary/, 'Sentinel: wait for the failover to end, or look at its log'],
  [/cluster support disabled/, 'REDIS_URL: set redis://; this server is not part of a cluster'],
  [/^MOVED/, 'REDIS_URL: set redis+cluster://; this server is part of a cluster'],
  [/unknown command.*SENTINEL/i, 'REDIS_URL: set the Sentinels, which mostly listen on port 26379'],
  [/unknown command/i, 'REDIS_URL: set redis+sentinel://; this is a Sentinel'],
  [/^READONLY/, 'REDIS_URL: set the primary; this is a replica'],
  [/^OOM/, 'Redis: raise maxmemory, and set maxmemory-policy noeviction'],
  [/^NOPERM/, 'Redis: allow this user scripts and all keys, as in ACL SETUSER <user> ~* +@all'],
  [/^CLUSTERDOWN/, 'Redis: assign every hash slot of the cluster'],
  [/^MISCONF/, 'Redis: it cannot save its data; look at its log'],
  [/^NOREPLICAS/, 'Redis: start its replicas, or lower min-replicas-to-write'],
];

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
