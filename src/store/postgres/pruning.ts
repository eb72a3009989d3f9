// Keeps the table bounded: expired rows are deleted in the background in small batches.
import { setTimeout as delay } from 'node:timers/promises';
import type { Postgres } from './client.ts';
import { STATEMENTS } from './sql.ts';

const BATCH_SIZE = 100;

/** Starts pruning. The returned function stops it and resolves once no statement is running. */
export function startPruning(postgres: Postgres, everyMs: number): () => Promise<void> {
  const stopped = new AbortController();
  let round: Promise<void> | undefined;

  async function prune(): Promise<void> {
    for (;;) {
      const pruned = await postgres.query('authkit_prune', STATEMENTS.prune, [BATCH_SIZE]);
      if (pruned.rowCount !== BATCH_SIZE) return;
      await delay(5, undefined, { signal: stopped.signal, ref: false });
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
