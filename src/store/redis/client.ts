// The connection to Redis: it comes back by itself, and while it is away every command fails at once.
import { createClient, ErrorReply } from 'redis';
import { StoreError, type StoreErrorCode } from '../errors.ts';
import type { StoreEvent, StoreEventListener } from '../types.ts';

export type RedisClient = ReturnType<typeof createClient>;

const FIRST_CONNECT_MS = 2_000;

/**
 * Connects to `redis://` or `rediss://` (TLS). Resolves once connected, or after the first attempt
 * has failed or taken two seconds: connecting then goes on in the background.
 *
 * @throws StoreError `store_failed` for what is no URL of Redis
 */
export async function connectRedis(
  url: string,
  onEvent: StoreEventListener = () => undefined,
): Promise<RedisClient> {
  const client = newClient(url);
  let isReachable: boolean | undefined;
  const firstAttempt = new Promise<void>((resolve) => {
    const note = (isNow: boolean, event: StoreEvent, cause?: unknown) => {
      if (isReachable !== isNow) onEvent(event, cause);
      isReachable = isNow;
      resolve();
    };
    setTimeout(resolve, FIRST_CONNECT_MS).unref();
    client.on('ready', () => note(true, { event: 'store_reachable' }));
    // Without this listener an error of the connection would end the process.
    client.on('error', (cause: unknown) =>
      note(false, { event: 'store_unreachable', code: codeOf(cause) }, cause),
    );
  });
  client.connect().catch(() => undefined);
  await firstAttempt;
  return client;
}

function newClient(url: string): RedisClient {
  try {
    return createClient({
      url,
      // Nobody waits for a server that is away: a page that says so is better than none.
      disableOfflineQueue: true,
      // A peer that vanished without closing the connection is noticed by its silence.
      pingInterval: 1_000,
      socket: {
        connectTimeout: FIRST_CONNECT_MS,
        socketTimeout: 5_000,
        reconnectStrategy: (retries) =>
          Math.min(50 * 2 ** retries, 1_000) * (0.5 + Math.random() / 2),
      },
    });
  } catch {
    // Without its cause, which quotes the URL, password and all.
    throw new StoreError('store_failed', 'the URL of Redis is none: redis://host:6379/1 is one');
  }
}

/**
 * Runs commands, each within `ms` milliseconds. After one of them got no answer in time, the next
 * fail at once until the server speaks again: answers come in order, so the late one tells.
 * @throws StoreError `store_unreachable`; by what Redis replies the others but `store_damaged`
 */
export function createDeadline(ms: number) {
  let isSilent = false;
  return <T>(command: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (isSilent) return reject(new StoreError('store_unreachable', 'Redis does not answer'));
      let isAnswered = false;
      const giveUp = () => {
        isSilent = !isAnswered;
        reject(new StoreError('store_unreachable', `Redis did not answer within ${ms} ms`));
      };
      // To a process that was busy all the while, the answer may lie ready: it is read before this runs.
      const timer = setTimeout(() => setImmediate(giveUp), ms);
      command()
        .finally(() => {
          clearTimeout(timer);
          isAnswered = true;
          isSilent = false;
        })
        .then(resolve, (cause: unknown) => {
          reject(new StoreError(codeOf(cause), 'Redis refused a command or is away', { cause }));
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
