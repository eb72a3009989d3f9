// The connection to Redis. It reconnects by itself; while it is down, every command fails at once.
import { createClient, ErrorReply } from 'redis';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import type { StoreEvent, StoreEventListener } from '../types.ts';

export type RedisClient = ReturnType<typeof createClient>;

const FIRST_CONNECT_MS = 2_000;

/**
 * Connects to `redis://` or `rediss://` (TLS). Resolves once connected, or when the first attempt
 * has failed or taken two seconds; connecting then continues in the background.
 *
 * @throws StoreError `store_failed` when `url` is not a Redis URL, or names a database that this
 * Redis does not have
 */
export async function connectRedis(
  url: string,
  onEvent: StoreEventListener = () => undefined,
): Promise<RedisClient> {
  const client = newClient(url);
  let isReachable: boolean | undefined;
  const firstAttempt = new Promise<void>((resolve, reject) => {
    const report = (isNow: boolean, event: StoreEvent, cause?: unknown) => {
      if (isReachable !== isNow) onEvent(event, cause);
      isReachable = isNow;
      resolve();
    };
    setTimeout(resolve, FIRST_CONNECT_MS).unref();
    client.on('ready', () => report(true, { event: 'store_reachable' }));
    // An error reply to a ping is an outage without a new connection at its end.
    client.on('ping-interval', () => report(true, { event: 'store_reachable' }));
    // Without this listener, a connection error would end the process.
    client.on('error', (cause: unknown) => {
      if (isNoDatabase(cause)) reject(new StoreError('store_failed', NO_DATABASE, { cause }));
      report(false, { event: 'store_unreachable', code: codeOf(cause) }, cause);
    });
  });
  client.connect().catch(() => undefined);
  await firstAttempt.catch((error: unknown) => {
    client.destroy();
    throw error;
  });
  return client;
}

const NO_DATABASE =
  'Redis has no database of this number; set a lower one, as in redis://host:6379/1';

/** Unlike a Redis that is down, this needs the operator. */
export const isNoDatabase = (error: unknown) =>
  error instanceof ErrorReply && error.message.includes('DB index is out of range');

function newClient(url: string): RedisClient {
  try {
    return createClient({
      url,
      // Commands fail at once while Redis is down: an error page is better than a page that hangs.
      disableOfflineQueue: true,
      // Detects a server that vanished without closing the connection.
      pingInterval: 1_000,
      socket: {
        connectTimeout: FIRST_CONNECT_MS,
        socketTimeout: 5_000,
        reconnectStrategy: (retries) =>
          Math.min(50 * 2 ** retries, 1_000) * (0.5 + Math.random() / 2),
      },
    });
  } catch {
    // No cause: the original error quotes the URL with its password.
    throw new StoreError('store_failed', 'invalid Redis URL; use one like redis://host:6379/1');
  }
}

async function connectAnew(client: RedisClient): Promise<void> {
  client.destroy();
  // It retries by itself, and reports by events.
  await client.connect().catch(() => undefined);
}

const WRONG_SERVER = /^(READONLY|MASTERDOWN|CLUSTERDOWN|MOVED) /;
// A server that stays read-only still serves reads, which each new connection interrupts.
const RECONNECT_EVERY_MS = 2_000;

/**
 * Returns a function that takes the error of a command. After a failover the connection may lead to
 * a server that is no longer the primary, and would stay there: it connects anew, by name.
 */
export function createReconnect(client: RedisClient): (error: unknown) => void {
  let last = -Infinity;
  return (error) => {
    const isElsewhere = error instanceof ErrorReply && WRONG_SERVER.test(error.message);
    const now = performance.now();
    if (!isElsewhere || !client.isOpen || now - last < RECONNECT_EVERY_MS) return;
    last = now;
    void connectAnew(client);
  };
}

/**
 * Returns a function that runs a command and waits at most `ms` milliseconds for its reply. After a
 * timeout, further commands fail at once until the late reply arrives: replies come in order.
 * `onError` gets the error of each command that failed.
 * @throws StoreError `store_unreachable`; for an error reply, any other code but `store_damaged`
 */
export function createDeadline(ms: number, onError: (error: unknown) => void = () => undefined) {
  let isSilent = false;
  return <T>(command: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (isSilent) return reject(new StoreError('store_unreachable', 'Redis does not respond'));
      let hasReplied = false;
      const giveUp = () => {
        isSilent = !hasReplied;
        reject(new StoreError('store_unreachable', `Redis did not respond within ${ms} ms`));
      };
      // If this process was busy, the reply may have arrived: setImmediate lets it be read first.
      const timer = setTimeout(() => setImmediate(giveUp), ms);
      command()
        .finally(() => {
          clearTimeout(timer);
          hasReplied = true;
          isSilent = false;
        })
        .then(resolve, (cause: unknown) => {
          onError(cause);
          reject(new StoreError(codeOf(cause), 'Redis refused a command or is down', { cause }));
        });
    });
}

const REPLIES: [start: RegExp, code: StoreErrorCode][] = [
  [/^OOM /, 'store_full'],
  [/^(READONLY|MISCONF|NOREPLICAS) /, 'store_readonly'],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY) /, 'store_unreachable'],
];

function codeOf(error: unknown): StoreErrorCode {
  if (!(error instanceof ErrorReply)) return 'store_unreachable';
  return REPLIES.find(([start]) => start.test(error.message))?.[1] ?? 'store_failed';
}
