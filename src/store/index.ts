// Where sessions are kept: one SQLite file, or Redis for several machines. Copied together with
// src/auth, whose records.ts says what a store of sessions has to do.
// Licence: MIT, or 0BSD for what you copy, as you like.
import type { SessionRecords } from '../auth/records.ts';
import type { StoreErrorCode } from './errors.ts';
import type { RedisClient } from './redis/client.ts';

export { StoreError, type StoreErrorCode } from './errors.ts';

/** Small values of the host's own that end by themselves, such as the demo's user directory. */
export interface Entries {
  /** The value; undefined once it has ended. */
  readEntry(key: string): Promise<string | undefined>;
  /** Writes or overwrites; `expiresAt` in milliseconds since the epoch. */
  writeEntry(key: string, value: string, expiresAt: number): Promise<void>;
}

/** What `openStore` opens. Every method rejects with a StoreError, and with nothing else. */
export interface Store extends SessionRecords, Entries {
  close(): Promise<void>;
}

export type StoreEvent =
  | { event: 'store_reachable' }
  | { event: 'store_unreachable'; code: StoreErrorCode };

export type StoreEventListener = (event: StoreEvent, cause?: unknown) => void;

export interface StoreOptions {
  /**
   * `redis://` or `rediss://`; without it the sessions are in `file`. Applications that share a
   * server each take a database of their own, such as `redis://host:6379/1`.
   */
  redisUrl?: string | undefined;
  file: string;
  onEvent?: StoreEventListener;
}

/**
 * Opens the store that the options name; only the engine in use is loaded. Redis may be away: it is
 * connected to in the background. `redis` is its client, for keys of your own.
 *
 * @throws StoreError when the file cannot be used
 */
export async function openStore(
  options: StoreOptions,
): Promise<{ store: Store; redis?: RedisClient }> {
  if (options.redisUrl === undefined) {
    const { openEmbeddedStore } = await import('./embedded/store.ts');
    return { store: await openEmbeddedStore({ file: options.file }) };
  }
  const { connectRedis } = await import('./redis/client.ts');
  const { redisStore } = await import('./redis/store.ts');
  const redis = await connectRedis(options.redisUrl, options.onEvent);
  return { store: redisStore(redis), redis };
}
