// Keeps the file bounded: what has expired is deleted in the background, a little at a time, and
// beyond the cap the sessions nearest their end go first. (The cap is checked once a round: in
// between, no more can come than people sign in.)
import { setTimeout as delay } from 'node:timers/promises';
import type { Sqlite } from './sqlite.ts';

// A batch holds the file's write lock, and this process, for a few milliseconds.
const BATCH = 100;

/** Starts it; the result stops it, and resolves when no statement runs any more. */
export function startPruning(sqlite: Sqlite, maxSessions: number, everyMs: number) {
  const expired = ['sessions', 'leases'].map((table) =>
    sqlite.write(
      `DELETE FROM ${table} WHERE rowid IN
       (SELECT rowid FROM ${table} WHERE expires_at <= ? LIMIT ${BATCH})`,
    ),
  );
  // Where there can be more than so many; counting them takes longer the more there are.
  const count = sqlite.row(
    `SELECT CASE WHEN (SELECT max(rowid) FROM sessions) - (SELECT min(rowid) FROM sessions) >= ?
     THEN (SELECT count(*) FROM sessions) END`,
  );
  const deleteNearestTheirEnd = sqlite.write(
    `DELETE FROM sessions WHERE rowid IN
     (SELECT rowid FROM sessions ORDER BY expires_at LIMIT ?)`,
  );
  const stopped = new AbortController();
  const pause = () => delay(5, undefined, { signal: stopped.signal, ref: false });
  let round: Promise<void> | undefined;

  async function prune(): Promise<void> {
    for (const deleteExpired of expired) {
      while ((await deleteExpired(Date.now())) === BATCH) await pause();
    }
    const [sessions] = (await count(maxSessions)) ?? [];
    for (let excess = Number(sessions) - maxSessions; excess > 0; excess -= BATCH) {
      await deleteNearestTheirEnd(Math.min(excess, BATCH));
      await pause();
    }
  }

  const timer = setInterval(() => {
    // Failures are not told here: whoever writes next is told the same.
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
