// Where sessions are kept: one SQLite file, or Redis or PostgreSQL for several machines. COPY THE
// FOLDER OF ONE ENGINE and the files beside this one, together with src/auth, whose
// session/records.ts defines what a session store must do. redis-connection connects to one server,
// to Sentinels or to a cluster; a client of your own needs redis alone. This file is for apps with a
// choice of engines.
// License: MIT, or 0BSD for what you copy, as you like.
import type { Postgres } from './postgres/client.ts';
import type { RedisLink } from './redis/link.ts';
import type { Store, StoreEventListener } from './types.ts';

export { StoreError, type StoreErrorCode } from './errors.ts';
export type { Store, StoreEvent, StoreEventListener } from './types.ts';

export interface StoreOptions {
  /**
   * `redis://`, `redis+sentinel://` or `redis+cluster://`, or their TLS forms `rediss…`. Applications
   * that share a Redis server each need their own database, such as `redis://host:6379/1`.
   */
  redisUrl?: string | undefined;
  /**
   * `postgres://` or `postgresql://`. Applications that share a database each need their own schema:
   * `?options=-csearch_path=<schema>`.
   */
  databaseUrl?: string | undefined;
  /** Used when neither URL is set. */
  file: string;
  onEvent?: StoreEventListener;
}

/**
 * Opens the store that the options name; only the engine in use is loaded. The server may be down:
 * the connection is then made in the background. `redis` sends commands for your own keys, and
 * `postgres` has the connections, for your own tables.
 *
 * @throws StoreError when the file cannot be used, or a URL is not one of its engine
 */
export async function openStore(
  options: StoreOptions,
): Promise<{ store: Store; redis?: RedisLink; postgres?: Postgres }> {
  if (options.databaseUrl !== undefined) {
    const { connectPostgres } = await import('./postgres/client.ts');
    const { postgresStore } = await import('./postgres/store.ts');
    const postgres = await connectPostgres(options.databaseUrl, options.onEvent);
    return { store: postgresStore(postgres), postgres };
  }
  if (options.redisUrl === undefined) {
    const { openEmbeddedStore } = await import('./embedded/store.ts');
    return { store: await openEmbeddedStore({ file: options.file }) };
  }
  const { connectRedis } = await import('./redis-connection/connection.ts');
  const { redisStore } = await import('./redis/store.ts');
  const redis = await connectRedis(options.redisUrl, options.onEvent);
  return { store: redisStore(redis), redis };
}
