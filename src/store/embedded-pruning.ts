// Keeps the file bounded: what has expired is deleted in the background, a little at a time, and
// beyond the cap the sessions nearest their end go first.
import { setTimeout as delay } from 'node:timers/promises';
import type { Sqlite } from './sqlite.ts';

// A batch holds the file's write lock, and this process, for a few milliseconds.
const BATCH = 100;

export interface Pruning {
  /** To be called after each insert: between two rounds many sessions may come. */
  countInsert: () => void;
  /** Resolves when no statement runs any more. */
  stop: () => Promise<void>;
}

export function startPruning(sqlite: Sqlite, maxSessions: number, everyMs: number): Pruning {
  const prune = pruner(sqlite, maxSessions);
  const insertsPerRound = Math.max(1, Math.floor(maxSessions / 100));
  let inserts = 0;
  let isStopped = false;
  let running: Promise<void> | undefined;

  const start = () => {
    inserts = 0;
    // Failures are not told here: whoever writes next is told the same.
    running ??= prune(() => isStopped)
      .catch(() => undefined)
      .finally(() => {
        running = undefined;
      });
  };
  const timer = setInterval(start, everyMs).unref();
  return {
    countInsert() {
      inserts += 1;
      if (inserts >= insertsPerRound) start();
    },
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

function pruner(sqlite: Sqlite, maxSessions: number) {
  const expired = ['sessions', 'entries', 'leases'].map((table) => {
    const key = table === 'leases' ? 'name' : 'rowid';
    return sqlite.write(
      `DELETE FROM ${table} WHERE ${key} IN
       (SELECT ${key} FROM ${table} WHERE expires_at <= ? LIMIT ${BATCH})`,
    );
  });
  const count = sqlite.row('SELECT count(*) FROM sessions');
  const nearestTheirEnd = sqlite.write(
    `DELETE FROM sessions WHERE rowid IN
     (SELECT rowid FROM sessions ORDER BY expires_at LIMIT ?)`,
  );
  return async (isStopped: () => boolean): Promise<void> => {
    for (const deleteExpired of expired) {
      while (!isStopped() && (await deleteExpired(Date.now())) === BATCH) await delay(5);
    }
    for (;;) {
      const excess = Number((await count())?.[0]) - maxSessions;
      if (excess <= 0 || isStopped()) return;
      await nearestTheirEnd(Math.min(excess, BATCH));
      await delay(5);
    }
  };
}
