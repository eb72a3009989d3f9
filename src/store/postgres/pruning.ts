// Keeps the table bounded: expired rows are deleted.
import { BATCH_SIZE, pruneEvery } from '../pruning.ts';
import type { Postgres } from './client.ts';
import { STATEMENTS } from './sql.ts';

/** Starts pruning. The returned function stops it and resolves once no statement is running. */
export const startPruning = (postgres: Postgres, everyMs: number) =>
  pruneEvery(everyMs, async (pause) => {
    for (;;) {
      const pruned = await postgres.query('authkit_prune', STATEMENTS.prune, [BATCH_SIZE]);
      if (pruned.rowCount !== BATCH_SIZE) return;
      await pause();
    }
  });
