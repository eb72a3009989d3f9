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
  // No more sessions than this; counting them takes longer the more there are.
  const atMost = sqlite.row(
    'SELECT 1 + (SELECT max(rowid) FROM sessions) - (SELECT min(rowid) FROM sessions)',
  );
  const count = sqlite.row('SELECT count(*) FROM sessions');
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
    if (Number((await atMost())?.[0]) <= maxSessions) return;
    let excess = Number((await count())?.[0]) - maxSessions;
    while (excess > 0) {
      const deleted = await deleteNearestTheirEnd(Math.min(excess, BATCH));
      excess = deleted === 0 ? 0 : excess - deleted;
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
