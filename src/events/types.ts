// What this folder needs of your app: the sessions that news are about, and a memory that all
// instances share.
import type { EventErrorCode } from './errors.ts';

/** Which sessions: of a user, of a user in one organization, or of one session at the issuer. */
export type SessionMatch = { sub: string; organization?: string | undefined } | { sid: string };

/** `createAuth` of src/auth returns both functions. They resolve to the number of sessions. */
export interface Sessions {
  /** Ends them; with `startedBefore` (milliseconds since the epoch), only those begun earlier. */
  endSessions(match: SessionMatch, startedBefore?: number): Promise<number>;
  /** Has those ask the issuer at their next request whose tokens were not obtained after `since`. */
  recheckSessions(match: SessionMatch, since?: number): Promise<number>;
}

/**
 * Leases that all instances share; every store of src/store has them. A lease that nobody releases
 * remembers an id for `ms` milliseconds.
 */
export interface Leases {
  /** Resolves to false while another owner holds the lease. */
  acquireLease(name: string, owner: string, ms: number): Promise<boolean>;
  /** Resolves to false unless this owner holds the lease. */
  renewLease(name: string, owner: string, ms: number): Promise<boolean>;
  releaseLease(name: string, owner: string): Promise<void>;
}

/** Log events. They contain no token, signature, name or e-mail address. */
export type NewsEvent =
  /** `result` is what was done; `sessions` is to how many. */
  | {
      event: 'webhook_received';
      id: string;
      type: string;
      result: Result;
      sub?: string;
      sessions: number;
    }
  | { event: 'webhook_refused'; code: EventErrorCode; reason: string }
  | { event: 'logout_received'; sub?: string; sessions: number }
  | { event: 'logout_refused'; code: EventErrorCode; reason: string };

/** The same words are the response to AuthKit. */
export type Result = 'ended' | 'rechecked' | 'repeated' | 'ignored';

export type EventListener = (event: NewsEvent, cause?: unknown) => void;
