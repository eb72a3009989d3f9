// Sends this store's commands to Redis, with keys that suit a Redis Cluster.
import { RESP_TYPES } from 'redis';
import { StoreError } from '../errors.ts';
import { codeOf } from './failures.ts';
import type { RedisLink } from './link.ts';
import { readMetadata } from './metadata.ts';

export type Commands = ReturnType<typeof createCommands>;
type Argument = string | number | Buffer;

// Sealed values are bytes: decoding them as text would corrupt them.
const AS_BYTES = { [RESP_TYPES.BLOB_STRING]: Buffer };

// The braces are the Redis Cluster hash tag: the slot depends on the name alone.
const keyFor = (kind: string, name: string) => `${kind}:{${name}}`;
const toText = (value: Argument) => (typeof value === 'number' ? String(value) : value);

const asStoreError = <T>(reply: Promise<T>): Promise<T> =>
  reply.catch((cause: unknown) => {
    throw new StoreError(codeOf(cause), 'Redis refused a command or is down', { cause });
  });

/** Every command rejects with StoreError only, at the latest after the timeout. */
export function createCommands(redis: RedisLink) {
  /** Sends a command for one key. */
  const send = <T>(command: string, kind: string, name: string, ...args: Argument[]) => {
    const key = keyFor(kind, name);
    return asStoreError(redis.send<T>(key, [command, key, ...args.map(toText)]));
  };

  /** Evaluates a Lua script on one key. */
  const run = <T>(script: string, kind: string, name: string, ...args: Argument[]) => {
    const key = keyFor(kind, name);
    return asStoreError(redis.send<T>(key, ['EVAL', script, '1', key, ...args.map(toText)]));
  };

  /** Like `run`, for scripts that return 1 on success: resolves to whether this one succeeded. */
  const applied = async (...call: Parameters<typeof run>) => (await run(...call)) === 1;

  /** The metadata of a session, and the values of these fields. */
  const read = async (name: string, ...fields: string[]) => {
    const key = keyFor('session', name);
    const command = ['HMGET', key, 'about', ...fields];
    const [line, ...values] = await asStoreError(
      redis.send<(Buffer | null)[]>(key, command, AS_BYTES),
    );
    const metadata = readMetadata(line?.toString());
    // Redis expires keys by its own clock; here, as everywhere, the clock of this process decides.
    return metadata && { ...metadata, values, isAlive: metadata.expiresAt > Date.now() };
  };

  return { send, run, applied, read, ping: () => asStoreError(redis.ping()) };
}
