// What sign-in asks of the place where sessions are kept. src/store has two of them: one SQLite
// file (embedded.ts) and Redis (redis.ts). Replace them with your own database by implementing
// this interface; everything that is secret reaches it sealed (seal.ts), so it never sees a token.

/** Of one person: see `insert`. */
export const MOST_SESSIONS_PER_PERSON = 50;

/** The part of a session that every request reads, in one round trip. */
export interface SessionRow {
  /** The sealed data of express-session. */
  data: Buffer;
  /** The sealed facts of the token set (organization, expiry): small, opened on each request. */
  grant: Buffer | undefined;
  /** Grows by one with each replacement of `grant` and tokens; 0 while there are none. */
  version: number;
}

/** The token set of a session: read only where a token is used. */
export interface TokenRow {
  grant: Buffer;
  tokens: Buffer;
  version: number;
}

export interface NewSession {
  data: Buffer;
  /** Absent for a session nobody signed in to. */
  signIn?: {
    /** Groups the sessions of one person: a hash of issuer and sub. */
    userKey: string;
    grant: Buffer;
    tokens: Buffer;
    /** Shown in the list of sessions, such as `Firefox on Linux`. */
    browser: string;
  };
  /** Milliseconds since the epoch, as all times here. */
  startedAt: number;
  /** When the session ends unless it is used: the row is gone (or unreadable) from then on. */
  expiresAt: number;
  /** When the session ends in any case. */
  endsAt: number;
}

/** One line of a person's list of sessions. */
export interface SessionSummary {
  key: string;
  startedAt: number;
  lastSeenAt: number;
  browser: string;
}

/**
 * The records of all sessions, by a key that is a hash of the session id. Every method rejects when
 * the store is out of reach, and does so within its own command timeout: it never hangs.
 */
export interface SessionRecords {
  read(key: string): Promise<SessionRow | undefined>;
  readTokens(key: string): Promise<TokenRow | undefined>;
  /**
   * Writes a session whose id was just made. Of one person at most MOST_SESSIONS_PER_PERSON are kept,
   * the newest: one account must not fill the store, nor its list grow beyond what a page can show.
   */
  insert(key: string, session: NewSession): Promise<void>;
  /**
   * Writes the data of a session that is still there and moves its expiry.
   * Resolves to false, and writes nothing, once the session has ended: a slow request must not
   * bring a signed-out session back.
   */
  update(key: string, data: Buffer, lastSeenAt: number, expiresAt: number): Promise<boolean>;
  /**
   * Replaces the token set if its version is still `fromVersion` (compare-and-set).
   * Resolves to false when the session has ended or somebody else replaced the tokens.
   */
  replaceTokens(
    key: string,
    fromVersion: number,
    next: { grant: Buffer; tokens: Buffer },
  ): Promise<boolean>;
  remove(key: string): Promise<void>;
  /** The sessions of one person that have not ended, the last seen first. */
  sessionsOf(userKey: string): Promise<SessionSummary[]>;
  /** Removes one session of this person; false when there is none (any more) with this key. */
  removeOne(userKey: string, key: string): Promise<boolean>;
  /** Removes every session of this person; resolves to how many there were. */
  removeAll(userKey: string): Promise<number>;
  /**
   * Takes the lease `name` for `ms` milliseconds if nobody else holds it; the same owner may take it
   * again. A holder that dies delays the others by the lease at most.
   */
  acquireLease(name: string, owner: string, ms: number): Promise<boolean>;
  /** Extends a lease this owner still holds; false when it was lost. */
  renewLease(name: string, owner: string, ms: number): Promise<boolean>;
  releaseLease(name: string, owner: string): Promise<void>;
  /** Resolves when the store answers. */
  ping(): Promise<void>;
}
