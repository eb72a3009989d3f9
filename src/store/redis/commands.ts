// How the parts of this store speak to Redis: within a time, and by keys that a Cluster can place.
import { RESP_TYPES } from 'redis';
import { createDeadline, type RedisClient } from './client.ts';
import { readMetadata } from './metadata.ts';

export type Commands = ReturnType<typeof createCommands>;
type Argument = string | number | Buffer;

const COMMAND_TIMEOUT_MS = 1_000;

// The hash tag keeps a key and the scripts on it in one slot of a Redis Cluster.
const at = (kind: string, name: string) => `${kind}:{${name}}`;
const asText = (value: Argument) => (typeof value === 'number' ? String(value) : value);

/** Everything here rejects with StoreError only, and does so in time. */
export function createCommands(client: RedisClient) {
  const within = createDeadline(COMMAND_TIMEOUT_MS);
  // Sealed values are bytes, not text.
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

  /** Evaluates a script on one key. */
  const run = (script: string, kind: string, name: string, ...args: Argument[]) =>
    within(() => client.eval(script, { keys: [at(kind, name)], arguments: args.map(asText) }));

  /** As `run`, for a script that returns 1 where it did what it is for. */
  const did = async (...call: Parameters<typeof run>) => (await run(...call)) === 1;

  /** What Redis knows of a session, and the values of these fields. */
  const read = async (key: string, ...fields: string[]) => {
    const names = ['about', ...fields];
    const [line, ...values] = await within(() => binary.hmGet(at('session', key), names));
    const metadata = readMetadata(line?.toString());
    // Redis expires keys by its own clock; ours decides, as it does for everything else.
    return metadata && { ...metadata, values, isAlive: metadata.expiresAt > Date.now() };
  };

  return { client, within, at, run, did, read };
}
