// What every engine provides beyond what src/auth requires of a session store.
import type { SessionRecords } from '../auth/session/records.ts';
import type { StoreErrorCode } from './errors.ts';

/** A session store. Every method rejects with StoreError only. */
export interface Store extends SessionRecords {
  close(): Promise<void>;
}

export type Reads = Pick<Store, 'read' | 'readTokens'>;
export type Writes = Pick<
  Store,
  'insert' | 'update' | 'touch' | 'replaceTokens' | 'recheck' | 'remove'
>;
export type Indexes = Pick<Store, 'sessionsOf' | 'keysBy'>;
export type Leases = Pick<Store, 'acquireLease' | 'renewLease' | 'releaseLease'>;

export type StoreEvent =
  | { event: 'store_reachable' }
  | { event: 'store_unreachable'; code: StoreErrorCode };

export type StoreEventListener = (event: StoreEvent, cause?: unknown) => void;
