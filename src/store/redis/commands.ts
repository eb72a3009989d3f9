// How the parts of this store speak to Redis: within a time, and by keys that a Cluster can place.
import { createDeadline, type RedisClient } from './client.ts';

export type Commands = ReturnType<typeof createCommands>;

const COMMAND_TIMEOUT_MS = 1_000;

/** `within` rejects with StoreError only; `run` evaluates a script on one key. */
export function createCommands(client: RedisClient) {
  const within = createDeadline(COMMAND_TIMEOUT_MS);
  return {
    client,
    within,
    // The hash tag keeps a key and the scripts on it in one slot of a Redis Cluster.
    at: (kind: string, name: string) => `${kind}:{${name}}`,
    run: (script: string, key: string, ...args: (string | number | Buffer)[]) =>
      within(() => client.eval(script, { keys: [key], arguments: args.map(asArgument) })),
  };
}

const asArgument = (value: string | number | Buffer) =>
  typeof value === 'number' ? String(value) : value;
