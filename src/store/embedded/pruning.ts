// Keeps the file bounded: expired rows are deleted in the background in small batches. Above the
// cap, the sessions that expire soonest are deleted as well. The cap is checked once a round, so
// between rounds the file grows only by new sign-ins.
import { setTimeout as delay } from 'node:timers/promises';
import type { Sqlite } from './sqlite.ts';

// A batch holds the write lock, and blocks this process, for a few milliseconds.
const BATCH_SIZE = 100;

/** Starts pruning. The returned function stops it and resolves once no statement is running. */
export function startPruning(sqlite: Sqlite, maxSessions: number, everyMs: number) {
  const expired = ['sessions', 'leases'].map((table) =>
    sqlite.write(
      `DELETE FROM ${table} WHERE rowid IN
       (SELECT rowid FROM ${table} WHERE expires_at <= ? LIMIT ${BATCH_SIZE})`,
    ),
  );
  // Counts only if the range of rowids allows that many sessions: counting a big file is slow.
  const count = sqlite.row(
    `SELECT CASE WHEN (SELECT max(rowid) FROM sessions) - (SELECT min(rowid) FROM sessions) >= ?
     THEN (SELECT count(*) FROM sessions) END`,
  );
  const deleteSoonestToExpire = sqlite.write(
    `DELETE FROM sessions WHERE rowid IN
     (SELECT rowid FROM sessions ORDER BY expires_at LIMIT ?)`,
  );
  const stopped = new AbortController();
  const pause = () => delay(5, undefined, { signal: stopped.signal, ref: false });
  let round: Promise<void> | undefined;

  async function prune(): Promise<void> {
    for (const deleteExpired of expired) {
      while ((await deleteExpired(Date.now())) === BATCH_SIZE) await pause();
    }
    const [sessions] = (await count(maxSessions)) ?? [];
    for (let excess = Number(sessions) - maxSessions; excess > 0; excess -= BATCH_SIZE) {
      await deleteSoonestToExpire(Math.min(excess, BATCH_SIZE));
      await pause();
    }
  }

  const timer = setInterval(() => {
    // Errors are ignored here: the next write meets the same error and reports it.
    round ??= prune()
      .catch(() => undefined)
      .finally(() => (round = undefined));
  }, everyMs).unref();
  return async () => {
    stopped.abort();
    clearInterval(timer);
    await round;
  };
}
