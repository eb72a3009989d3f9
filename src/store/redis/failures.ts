// What the error of a command means.
import { ErrorReply } from 'redis';
import type { StoreErrorCode } from '../errors.ts';

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
