// Keeps the file bounded: expired rows are deleted. Above the cap, the sessions that expire soonest
// are deleted as well. The cap is checked once a round, so between rounds the file grows only by new
// sign-ins.
import { BATCH_SIZE, pruneEvery } from '../pruning.ts';
import type { Sqlite } from './sqlite.ts';

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
  return pruneEvery(everyMs, async (pause) => {
    for (const deleteExpired of expired) {
      while ((await deleteExpired(Date.now())) === BATCH_SIZE) await pause();
    }
    const [sessions] = (await count(maxSessions)) ?? [];
    for (let excess = Number(sessions) - maxSessions; excess > 0; excess -= BATCH_SIZE) {
      await deleteSoonestToExpire(Math.min(excess, BATCH_SIZE));
      await pause();
    }
  });
}
