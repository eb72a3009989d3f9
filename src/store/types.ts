// What every engine of sessions is, beside what sign-in asks of it.
import type { SessionRecords } from '../auth/session/records.ts';
import type { StoreErrorCode } from './errors.ts';

/** Sessions in one engine. Every method rejects with a StoreError, and with nothing else. */
export interface Store extends SessionRecords {
  close(): Promise<void>;
}

export type StoreEvent =
  | { event: 'store_reachable' }
  | { event: 'store_unreachable'; code: StoreErrorCode };

export type StoreEventListener = (event: StoreEvent, cause?: unknown) => void;
