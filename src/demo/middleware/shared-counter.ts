// Counts in Redis, so that a rate limit holds across instances.
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { RedisStore, type RedisReply } from 'rate-limit-redis';
import type { RedisClient } from '../../store/redis/client.ts';

const TIMEOUT_MS = 500;

/** A store for express-rate-limit; a command rejects if Redis does not respond in time. */
export function sharedCounter(redis: RedisClient): (name: string) => RedisStore {
  const send = (args: string[]) =>
    Promise.race([redis.sendCommand<RedisReply>(args), rejectAfter(TIMEOUT_MS)]);
  return (name) =>
    new RedisStore({
      prefix: `limit:${name}:`,
      sendCommand: async (...args) => {
        const [command, subcommand, script = ''] = args;
        if (command !== 'SCRIPT' || subcommand !== 'LOAD') return send(args);
        // The library keeps this first promise forever: one rejection, while Redis is down, would
        // end the process and stop all counting. The response, the script's SHA-1, is known without
        // Redis, and the library reloads the script when Redis reports it missing.
        return send(args).catch(() => createHash('sha1').update(script).digest('hex'));
      },
    });
}

async function rejectAfter(ms: number): Promise<never> {
  await delay(ms, undefined, { ref: false });
  throw new Error('Redis did not respond in time');
}
