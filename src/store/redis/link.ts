// Sends commands to the servers that hold the keys, over a client of node-redis. A link does not
// repair itself: connection.ts opens another one.
import { ErrorReply } from 'redis';
import { createDeadline } from '../deadline.ts';

type Arguments = (string | Buffer)[];
type Options = { typeMapping?: Record<number, unknown> };

// Only what is used of the clients of node-redis: their own types name every command of Redis, and
// comparing them cost the compiler eight seconds.
/** A client of one server. */
export interface Client {
  sendCommand<T>(args: Arguments, options?: Options): Promise<T>;
  close(): Promise<void>;
}

interface Sentinel {
  sendCommand<T>(isReadonly: boolean, args: Arguments, options?: Options): Promise<T>;
  getMasterNode(): unknown;
  close(): Promise<void>;
}

interface ClusterNode {
  client?: Client;
  connectPromise?: Promise<unknown>;
}

interface Cluster {
  masters: ClusterNode[];
  nodeByAddress: Map<string, ClusterNode>;
  nodeClient(node: ClusterNode): Promise<Client>;
  sendCommand<T>(key: string, isReadonly: boolean, args: Arguments, options: Options): Promise<T>;
}

/** A client of node-redis that is connected, or connects by itself. */
export type RedisClient = Client | Cluster | Sentinel;

export interface RedisLink {
  /**
   * Sends a command to the server that holds `key`; `types` is a type mapping of node-redis.
   * Rejects with the error of node-redis, or after a second.
   */
  send<T>(key: string, args: Arguments, types?: Options['typeMapping']): Promise<T>;
  /** Rejects unless every server that holds keys responds. */
  ping(): Promise<void>;
  /** Closes all connections; replies to commands already sent still arrive. */
  close(): void;
}

const COMMAND_TIMEOUT_MS = 1_000;

const isCluster = (client: RedisClient): client is Cluster => 'nodeByAddress' in client;
const isSentinel = (client: RedisClient): client is Sentinel => 'getMasterNode' in client;

/** Takes a link, or a client of node-redis; `close` closes either. */
export function linkTo(redis: RedisLink | RedisClient): RedisLink {
  if ('send' in redis) return redis;
  return isCluster(redis) ? linkToCluster(redis) : linkToServer(redis);
}

function linkToServer(client: Client | Sentinel): RedisLink {
  const inTime = createDeadline('Redis', COMMAND_TIMEOUT_MS, true);
  // IMPORTANT: no `withTypeMapping` here: that of a Sentinel client changes every other command too.
  const send = <T>(args: Arguments, typeMapping = {}) =>
    inTime(() =>
      isSentinel(client)
        ? client.sendCommand<T>(false, args, { typeMapping })
        : client.sendCommand<T>(args, { typeMapping }),
    );
  return {
    send: (_key, args, types) => send(args, types),
    ping: async () => void (await send(['PING'])),
    close: () => closeQuietly(client),
  };
}

// A slot that no server serves fails only the keys in it, so a ping has to look at all of them.
const isWhole = (state: string) =>
  /^cluster_state:ok\r$/m.test(state) && /^cluster_slots_assigned:16384\r$/m.test(state);

function linkToCluster(cluster: Cluster): RedisLink {
  const inTime = createDeadline('Redis', COMMAND_TIMEOUT_MS, false);
  const stateOf = async (primary: ClusterNode) =>
    (await cluster.nodeClient(primary)).sendCommand<string>(['CLUSTER', 'INFO']);
  return {
    send: (key, args, typeMapping = {}) =>
      inTime(() => cluster.sendCommand(key, false, args, { typeMapping })),
    async ping() {
      const states = await inTime(() => Promise.all(cluster.masters.map(stateOf)));
      if (states.length > 0 && states.every(isWhole)) return;
      throw new ErrorReply('CLUSTERDOWN a hash slot is not served');
    },
    close() {
      // Closed while it connects, a client of node-redis would finish connecting, and never close.
      for (const { connectPromise, client } of cluster.nodeByAddress.values())
        void Promise.allSettled([connectPromise]).then(() => client && closeQuietly(client));
    },
  };
}

/** Closes a client that may be closed already. */
export const closeQuietly = (client: Client | Sentinel) =>
  void client.close().catch(() => undefined);
