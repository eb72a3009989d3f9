// The connection to Redis. It looks at its link every second, and replaces one that is in doubt.
import { setTimeout as delay } from 'node:timers/promises';
import { StoreError } from '../errors.ts';
import type { StoreEvent, StoreEventListener } from '../types.ts';
import { parseRedisUrl } from './address.ts';
import { codeOf } from '../redis/failures.ts';
import type { RedisLink } from '../redis/link.ts';
import { isNoDatabase, leadsElsewhere } from './failures.ts';
import { openLink } from './open-link.ts';

const FIRST_CONNECT_MS = 2_000;
const NO_DATABASE =
  'Redis has no database of this number; set a lower one, as in redis://host:6379/1';
const LOOK_EVERY_MS = 1_000;
/** The first attempt after a failure; the time doubles up to LOOK_EVERY_MS. */
const RETRY_MS = 100;

/**
 * Connects to the server, the Sentinels or the cluster that `url` names. Resolves once connected, or
 * when the first attempt has failed or taken two seconds; connecting then continues in the
 * background. `onEvent` is told each change once. Commands fail at once while Redis is down.
 *
 * @throws StoreError `store_failed` when `url` is not a Redis URL, or names a database that this
 * Redis does not have
 */
export async function connectRedis(
  url: string,
  onEvent: StoreEventListener = () => undefined,
): Promise<RedisLink> {
  const address = addressIn(url);
  let link: RedisLink | undefined;
  let isInDoubt = true;
  let isReachable: boolean | undefined;
  let isClosed = false;
  let attempts = 0;
  let lastFailure: unknown;
  let timer: NodeJS.Timeout | undefined;

  const schedule = () => {
    const backoff = Math.min(RETRY_MS * 2 ** attempts, LOOK_EVERY_MS) * (0.5 + Math.random() / 2);
    timer = setTimeout(() => void look(), isInDoubt ? backoff : LOOK_EVERY_MS);
  };
  const report = (isNow: boolean, cause: unknown) => {
    const event: StoreEvent = isNow
      ? { event: 'store_reachable' }
      : { event: 'store_unreachable', code: codeOf(cause) };
    if (isReachable !== isNow && !isClosed) onEvent(event, isNow ? undefined : cause);
    isReachable = isNow;
  };
  const doubt = (error: unknown) => {
    if (isInDoubt || !leadsElsewhere(error)) return;
    isInDoubt = true;
    if (timer === undefined || isClosed) return;
    clearTimeout(timer);
    schedule();
  };

  /** The link in doubt serves until there is another: a read-only server still serves reads. */
  async function replaceLink(): Promise<void> {
    attempts += 1;
    const next = await openLink(address, doubt);
    link?.close();
    link = next;
    if (isClosed) link.close();
  }

  async function look(): Promise<void> {
    timer = undefined;
    if (!isInDoubt) attempts = 0;
    const failure = isInDoubt ? await failureOf(replaceLink()) : undefined;
    // Without its Sentinels, a primary may still serve over the link in doubt.
    const silence = link ? await failureOf(link.ping()) : failure;
    isInDoubt = silence !== undefined;
    lastFailure = failure;
    report(!isInDoubt, failure ?? silence);
    if (!isClosed) schedule();
  }

  /** Runs on the present link. */
  async function attempt<T>(run: (link: RedisLink) => Promise<T>): Promise<T> {
    if (!link) throw new Error('Redis is not connected');
    try {
      return await run(link);
    } catch (error) {
      doubt(error);
      throw error;
    }
  }

  function close() {
    isClosed = true;
    clearTimeout(timer);
    link?.close();
  }

  await Promise.race([look(), delay(FIRST_CONNECT_MS, undefined, { ref: false })]);
  if (isNoDatabase(lastFailure)) {
    close();
    throw new StoreError('store_failed', NO_DATABASE, { cause: lastFailure });
  }
  return {
    send: (...command) => attempt((present) => present.send(...command)),
    ping: () => attempt((present) => present.ping()),
    close,
  };
}

const failureOf = (promise: Promise<void>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );

function addressIn(url: string) {
  try {
    return parseRedisUrl(url);
  } catch (error) {
    const { message } = error as TypeError;
    throw new StoreError('store_failed', `the Redis URL ${message}`);
  }
}
