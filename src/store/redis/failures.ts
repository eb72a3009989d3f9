// What the error of a command means.
import { ErrorReply } from 'redis';
import type { StoreErrorCode } from '../errors.ts';

const ELSEWHERE = /^(READONLY|MASTERDOWN|CLUSTERDOWN|MOVED|NOREPLICAS) /;

/**
 * Whether another connection may do better: the server is not, or no longer, the primary of the key,
 * or there is no reply at all.
 */
export const leadsElsewhere = (error: unknown) =>
  !(error instanceof ErrorReply) || ELSEWHERE.test(error.message);

const REPLIES: [start: RegExp, code: StoreErrorCode][] = [
  [/^OOM /, 'store_full'],
  [/^(READONLY|MISCONF|NOREPLICAS) /, 'store_readonly'],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY) /, 'store_unreachable'],
];

/** The code for an error of `RedisLink.send`. */
export function codeOf(error: unknown): StoreErrorCode {
  if (!(error instanceof ErrorReply)) return 'store_unreachable';
  return REPLIES.find(([start]) => start.test(error.message))?.[1] ?? 'store_failed';
}

/** Unlike a Redis that is down, this needs the operator: the URL names a database it does not have. */
export const isNoDatabase = (error: unknown) =>
  error instanceof ErrorReply && error.message.includes('DB index is out of range');
