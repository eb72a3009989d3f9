// Sends this store's commands to Redis: with a timeout, and with keys that suit a Redis Cluster.
import { RESP_TYPES } from 'redis';
import { createDeadline, createReconnect, type RedisClient } from './client.ts';
import { readMetadata } from './metadata.ts';

export type Commands = ReturnType<typeof createCommands>;
type Argument = string | number | Buffer;

const COMMAND_TIMEOUT_MS = 1_000;

// The braces are the Redis Cluster hash tag: the slot depends on the name alone.
const keyFor = (kind: string, name: string) => `${kind}:{${name}}`;
const toText = (value: Argument) => (typeof value === 'number' ? String(value) : value);

/** Every command rejects with StoreError only, at the latest after the timeout. */
export function createCommands(client: RedisClient) {
  const within = createDeadline(COMMAND_TIMEOUT_MS, createReconnect(client));
  // Sealed values are bytes: decoding them as text would corrupt them.
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

  /** Evaluates a Lua script on one key. */
  const run = (script: string, kind: string, name: string, ...args: Argument[]) =>
    within(() => client.eval(script, { keys: [keyFor(kind, name)], arguments: args.map(toText) }));

  /** Like `run`, for scripts that return 1 on success: resolves to whether this one succeeded. */
  const applied = async (...call: Parameters<typeof run>) => (await run(...call)) === 1;

  /** The metadata of a session, and the values of these fields. */
  const read = async (key: string, ...fields: string[]) => {
    const names = ['about', ...fields];
    const [line, ...values] = await within(() => binary.hmGet(keyFor('session', key), names));
    const metadata = readMetadata(line?.toString());
    // Redis expires keys by its own clock; here, as everywhere, the clock of this process decides.
    return metadata && { ...metadata, values, isAlive: metadata.expiresAt > Date.now() };
  };

  return { client, within, keyFor, run, applied, read };
}
