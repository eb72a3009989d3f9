// Where sessions are kept: one SQLite file, or Redis for several machines. COPY THIS FOLDER
// together with src/auth, whose session/records.ts defines what a session store must do. If you use
// one engine only, copy its folder, types.ts and errors.ts, without this file and the other engine.
// License: MIT, or 0BSD for what you copy, as you like.
import type { RedisClient } from './redis/client.ts';
import type { Store, StoreEventListener } from './types.ts';

export { StoreError, type StoreErrorCode } from './errors.ts';
export type { Store, StoreEvent, StoreEventListener } from './types.ts';

export interface StoreOptions {
  /**
   * `redis://` or `rediss://`; when unset, sessions are kept in `file`. Applications that share a
   * Redis server each need their own database, such as `redis://host:6379/1`.
   */
  redisUrl?: string | undefined;
  file: string;
  onEvent?: StoreEventListener;
}

/**
 * Opens the store that the options name; only the engine in use is loaded. Redis may be down: the
 * connection is then made in the background. `redis` is the client, for your own keys.
 *
 * @throws StoreError when the file cannot be used, or `redisUrl` is not a Redis URL
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
