// Where sessions are kept: one SQLite file, or Redis for several machines. Copied together with
// src/auth, whose session/records.ts says what a store of sessions has to do. An app that has chosen
// one engine takes its folder, types.ts and errors.ts, and leaves out this file and the other.
// Licence: MIT, or 0BSD for what you copy, as you like.
import type { RedisClient } from './redis/client.ts';
import type { Store, StoreEventListener } from './types.ts';

export { StoreError, type StoreErrorCode } from './errors.ts';
export type { Store, StoreEvent, StoreEventListener } from './types.ts';

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
 * @throws StoreError when the file cannot be used, or the URL is none of Redis
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
