// Connects to what a Redis URL names: one server, the primary that Sentinels name, or a cluster. A
// client of createSentinel would wait for a failover instead of failing, and write to the console; one
// of createCluster keeps to a primary that is dead until it is connected anew.
import { createClient, createCluster } from 'redis';
import type { RedisAddress, RedisHost, RedisLogin } from './address.ts';
import { closeQuietly, linkTo, type Client, type RedisLink } from '../redis/link.ts';

const CONNECT_TIMEOUT_MS = 2_000;
/** A server that vanished without closing the connection; a ping each second has a reply. */
const SILENCE_MS = 3_000;

/**
 * Connects to what this address names. `onError` gets the errors of connections made here, later
 * ones too.
 */
export async function openLink(
  address: RedisAddress,
  onError: (cause: unknown) => void,
): Promise<RedisLink> {
  const { kind, hosts, login, database } = address;
  if (kind === 'cluster') return openCluster(address, onError);
  const [server = await primaryOf(address)] = kind === 'server' ? hosts : [];
  const client = await openServer(server, address, { ...login, database }, onError);
  if (kind === 'sentinel') await assertPrimary(client, server);
  return linkTo(client);
}

const common = ({ tls }: RedisAddress) => ({
  // Commands fail at once while Redis is down: an error page is better than a page that hangs.
  disableOfflineQueue: true,
  socket: {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: false as const,
    ...(tls && { tls }),
  },
});

async function openServer(
  { host, port }: RedisHost,
  address: RedisAddress,
  login: RedisLogin & { database?: number },
  onError: (cause: unknown) => void,
): Promise<Client> {
  const { socket, ...options } = common(address);
  const client = createClient({ ...options, ...login, socket: { ...socket, host, port } });
  // Without this listener, a connection error would end the process.
  client.on('error', onError);
  return client.connect();
}

/** Asks all Sentinels at once: one that is down must not delay the answer of another. */
async function primaryOf(address: RedisAddress): Promise<RedisHost> {
  const { hosts, name, sentinelLogin } = address;
  const ask = async (sentinel: RedisHost) => {
    const client = await openServer(sentinel, address, sentinelLogin, () => undefined);
    const reply = await client
      .sendCommand<[string, string] | null>(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name])
      .finally(() => closeQuietly(client));
    if (reply) return { host: reply[0], port: Number(reply[1]) };
    throw new Error(`Sentinel ${sentinel.host}:${sentinel.port} monitors no primary "${name}"`);
  };
  return Promise.any(hosts.map(ask)).catch((cause: AggregateError) => {
    const messages = cause.errors.map((error: Error) => error.message);
    throw new Error(messages.join('; '), { cause });
  });
}

/** A Sentinel that was cut off may name the primary of before (Sentinel client guidelines, step 3). */
async function assertPrimary(client: Client, { host, port }: RedisHost): Promise<void> {
  // A user without the right to this command finds out by the first write.
  const [role] = await client.sendCommand<[string]>(['ROLE']).catch(() => ['master']);
  if (role === 'master') return;
  closeQuietly(client);
  throw new Error(`the Sentinels name ${host}:${port}, which is not a primary`);
}

async function openCluster(
  address: RedisAddress,
  onError: (cause: unknown) => void,
): Promise<RedisLink> {
  let lastError: unknown;
  const cluster = createCluster({
    rootNodes: address.hosts.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: { ...common(address), ...address.login },
    // Each server is connected to by its first command: one that is down must not fail the others.
    minimizeConnections: true,
  });
  cluster.on('error', (cause: unknown) => (lastError = cause));
  cluster.on('node-error', onError);
  await cluster.connect().catch((cause: unknown) => {
    throw lastError ?? cause;
  });
  return linkTo(cluster);
}
