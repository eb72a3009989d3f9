// Keeps a store bounded: what has expired is deleted in the background, in small batches.
import { setTimeout as delay } from 'node:timers/promises';

/** A batch holds locks for a few milliseconds. */
export const BATCH_SIZE = 100;

/**
 * Calls `prune` every `everyMs` milliseconds, unless it is still running; it awaits `pause` after each
 * batch. The returned function stops it and resolves once no statement is running.
 */
export function pruneEvery(
  everyMs: number,
  prune: (pause: () => Promise<void>) => Promise<void>,
): () => Promise<void> {
  const stopped = new AbortController();
  const pause = () => delay(5, undefined, { signal: stopped.signal, ref: false });
  let round: Promise<void> | undefined;
  const timer = setInterval(() => {
    // Errors are ignored here: the next write meets the same error and reports it.
    round ??= prune(pause)
      .catch(() => undefined)
      .finally(() => (round = undefined));
  }, everyMs).unref();
  return async () => {
    stopped.abort();
    clearInterval(timer);
    await round;
  };
}
