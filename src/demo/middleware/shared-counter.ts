// Counters in Redis, so that a limit holds across instances.
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { RedisStore, type RedisReply } from 'rate-limit-redis';
import type { RedisClient } from '../../store/redis/client.ts';

const TIMEOUT_MS = 500;

/** A store for express-rate-limit; commands that Redis does not answer in time reject. */
export function sharedCounter(redis: RedisClient): (name: string) => RedisStore {
  const send = (args: string[]) =>
    Promise.race([redis.sendCommand<RedisReply>(args), noAnswer(TIMEOUT_MS)]);
  return (name) =>
    new RedisStore({
      prefix: `limit:${name}:`,
      sendCommand: async (...args) => {
        const [command, subcommand, script = ''] = args;
        if (command !== 'SCRIPT' || subcommand !== 'LOAD') return send(args);
        // The library keeps the promise of this first answer for good: rejected once, while Redis is
        // away, it would end the process and never count again. The answer is known without Redis,
        // and the library loads the script again when Redis says it does not have it.
        return send(args).catch(() => createHash('sha1').update(script).digest('hex'));
      },
    });
}

async function noAnswer(ms: number): Promise<never> {
  await delay(ms, undefined, { ref: false });
  throw new Error('Redis did not answer in time');
}
