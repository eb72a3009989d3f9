// Redis as it survives the death of a server: Sentinels over a primary and two replicas, and a
// cluster of three primaries with a replica each. All are real processes with short timeouts.
import { until } from '../app/instances.ts';
import { startRedis, type RedisOptions, type TestRedis } from './redis.ts';

export interface Replicated {
  /** The value of REDIS_URL. */
  url: string;
  /** All data servers, the first primary first. */
  servers: TestRedis[];
  sentinels: TestRedis[];
  /** Resolves once another server has the place of the first primary. */
  untilFailedOver(): Promise<void>;
  close(): Promise<void>;
}

const LIMIT_MS = 30_000;

const startSeveral = (count: number, options: RedisOptions) =>
  Promise.all(Array.from({ length: count }, () => startRedis(options)));

const hostsOf = (servers: TestRedis[]) => servers.map(({ port }) => `127.0.0.1:${port}`).join(',');

const closeAll = async (servers: TestRedis[]) =>
  void (await Promise.all(servers.map((server) => server.close())));

/** Resolves once the reply to this command matches on each of these servers. */
export async function untilAll(servers: TestRedis[], command: string, reply: RegExp) {
  // A primary that becomes a replica closes the connections of all clients, this one too.
  const ask = (server: TestRedis) => server.command(command).catch(() => '');
  for (const server of servers) await until(async () => reply.test(await ask(server)), LIMIT_MS);
}

// Before the Sentinels know each other and the replicas, they agree on no failover.
const KNOWS_ALL = /num-slaves\r\n\$\d+\r\n2\r\n[^]*num-other-sentinels\r\n\$\d+\r\n2\r\n/;

/** Three Sentinels that call the primary `mymaster`. */
export async function startSentinels(): Promise<Replicated> {
  const primary = await startRedis();
  const { port } = primary;
  const replicas = await startSeveral(2, { args: ['--replicaof', '127.0.0.1', `${port}`] });
  await untilAll(replicas, 'INFO replication', /master_link_status:up/);
  const sentinels = await startSeveral(3, {
    sentinel: [
      `sentinel monitor mymaster 127.0.0.1 ${port} 2`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 5000',
      'sentinel parallel-syncs mymaster 2',
    ],
  });
  await untilAll(sentinels, 'SENTINEL MASTER mymaster', KNOWS_ALL);
  const servers = [primary, ...replicas];
  return {
    url: `redis+sentinel://${hostsOf(sentinels)}/mymaster`,
    servers,
    sentinels,
    untilFailedOver: () =>
      untilAll(
        sentinels.slice(0, 1),
        'SENTINEL GET-MASTER-ADDR-BY-NAME mymaster',
        new RegExp(`\r\n(?!${port}\r\n)\\d{5}\r\n$`),
      ),
    close: () => closeAll([...sentinels, ...servers]),
  };
}

const SLOTS = 16_384;
const IS_WHOLE = /cluster_state:ok/;

/** Three primaries and, after them, the replica of each. */
export async function startCluster(args: string[] = []): Promise<Replicated> {
  const servers = await startSeveral(6, {
    args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...args],
  });
  await joinCluster(servers);
  const [, second, , replica] = servers;
  return {
    url: `redis+cluster://${hostsOf(servers)}`,
    servers,
    sentinels: [],
    async untilFailedOver() {
      await untilAll(replica ? [replica] : [], 'ROLE', /master/);
      await untilAll(second ? [second] : [], 'CLUSTER INFO', IS_WHOLE);
    },
    close: () => closeAll(servers),
  };
}

async function joinCluster(servers: TestRedis[]): Promise<void> {
  const [first, ...others] = servers;
  const primaries = servers.slice(0, 3);
  for (const [at, server] of primaries.entries()) {
    const from = Math.ceil((at * SLOTS) / 3);
    const to = Math.ceil(((at + 1) * SLOTS) / 3) - 1;
    await server.command(`CLUSTER ADDSLOTSRANGE ${from} ${to}`);
  }
  // Two servers that begin with the same epoch could both win an election.
  for (const [at, server] of servers.entries())
    await server.command(`CLUSTER SET-CONFIG-EPOCH ${at + 1}`);
  for (const { port, busPort } of others)
    await first?.command(`CLUSTER MEET 127.0.0.1 ${port} ${busPort}`);
  await untilAll(servers, 'CLUSTER INFO', /cluster_known_nodes:6/);
  for (const [at, replica] of servers.slice(3).entries()) {
    const [id] = /[\da-f]{40}/.exec((await primaries[at]?.command('CLUSTER MYID')) ?? '') ?? [];
    await untilAll([replica], `CLUSTER REPLICATE ${id}`, /^\+OK/);
  }
  await untilAll(servers, 'CLUSTER INFO', IS_WHOLE);
  await untilAll(primaries, 'INFO replication', /slave0:.*state=online/);
}
