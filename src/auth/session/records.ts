// What sign-in asks of the place where sessions are kept. src/store has two of them: one SQLite file
// and Redis. Replace them with your own database by implementing this interface; everything that is
// secret reaches it sealed (seal.ts), so it never sees a token.

/** Of one person: see `insert`. */
export const MOST_SESSIONS_PER_PERSON = 50;

/** The part of a session that every request reads, in one round trip. */
export interface SessionRow {
  /** The sealed data of express-session. */
  data: Buffer;
  /** The sealed facts of the token set (organization, expiry): small, opened on each request. */
  facts: Buffer | undefined;
  /** Grows by one with each replacement of facts and tokens; 0 while there are none. */
  version: number;
  /** Milliseconds since the epoch, as all times here. */
  lastSeenAt: number;
}

/** The token set of a session: read only where a token is used. */
export interface TokenRow {
  facts: Buffer;
  tokens: Buffer;
  version: number;
}

/** By what sessions are found beside their own keys: keyed hashes, which tell the store nothing. */
export interface IndexKeys {
  /** Issuer and sub together. */
  person: string;
  /** Issuer and organization of the access token. */
  organization?: string | undefined;
  /** Issuer and `sid` of the ID token: the session at the issuer that this one came from. */
  issuerSession?: string | undefined;
}

export interface NewSession {
  data: Buffer;
  /** Absent for a session nobody signed in to. */
  signIn?: {
    keys: IndexKeys;
    facts: Buffer;
    tokens: Buffer;
    /** What the host calls the session in the list of a person's sessions. */
    label: string;
  };
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
  label: string;
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
   * Notes that a session is in use and moves its expiry; its data stays as it is, whatever another
   * request has made of it meanwhile. Resolves to false once the session has ended.
   */
  touch(key: string, lastSeenAt: number, expiresAt: number): Promise<boolean>;
  /**
   * Replaces the token set if its version is still `fromVersion` (compare-and-set).
   * Resolves to false when the session has ended or somebody else replaced the tokens.
   */
  replaceTokens(
    key: string,
    fromVersion: number,
    next: { facts: Buffer; tokens: Buffer; organization?: string | undefined },
  ): Promise<boolean>;
  /** Resolves to whether there was such a session that had not ended. */
  remove(key: string): Promise<boolean>;
  /** The sessions of one person that have not ended, the last seen first. */
  sessionsOf(person: string): Promise<SessionSummary[]>;
  /** The keys of the sessions that have not ended and have this index key. */
  keysBy(index: keyof IndexKeys, indexKey: string): Promise<string[]>;
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
