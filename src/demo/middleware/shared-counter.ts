// Counts in Redis, so that a rate limit holds across instances.
import { createHash } from 'node:crypto';
import { RedisStore, type RedisReply } from 'rate-limit-redis';
import type { RedisLink } from '../../store/redis/link.ts';

/** A store for express-rate-limit; a command rejects if Redis does not respond in time. */
export function sharedCounter(redis: RedisLink): (name: string) => RedisStore {
  return (name) =>
    new RedisStore({
      prefix: `limit:${name}:`,
      // In a cluster, the key leads to its server.
      sendCommandCluster: async ({ key = name, command }) => {
        const reply = redis.send<RedisReply>(key, command);
        const [verb, subcommand, script = ''] = command;
        if (verb !== 'SCRIPT' || subcommand !== 'LOAD') return reply;
        // The library keeps this first promise forever: one rejection, while Redis is down, would
        // end the process and stop all counting. The response, the script's SHA-1, is known without
        // Redis, and the library reloads the script when Redis reports it missing.
        return reply.catch(() => createHash('sha1').update(script).digest('hex'));
      },
    });
}
