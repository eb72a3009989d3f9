// What sign-in requires of a session store. src/store has three: one SQLite file, Redis and
// PostgreSQL. To use another database, implement this interface. All secrets reach it sealed (seal.ts), so it never
// sees a token.

/** `insert` deletes the oldest sessions of a person beyond this number. */
export const MOST_SESSIONS_PER_PERSON = 50;

/** The part of a session that every request reads, in one round trip. */
export interface SessionRow {
  /** The sealed express-session data. */
  data: Buffer;
  /** The sealed facts of the token set (organization, expiry): small, opened on each request. */
  facts: Buffer | undefined;
  /** Incremented each time facts and tokens are replaced; 0 while there are none. */
  version: number;
  /** Milliseconds since the epoch, like all times here. */
  lastSeenAt: number;
  /** See `recheck`; 0 without such news. */
  recheckAt: number;
}

/** The token set of a session, read only where a token is used. */
export interface TokenRow {
  facts: Buffer;
  tokens: Buffer;
  version: number;
}

/** Further keys that sessions are found by: keyed hashes, which reveal nothing to the store. */
export interface IndexKeys {
  /** Issuer and sub together. */
  person: string;
  /** Issuer and organization of the access token. */
  organization?: string | undefined;
  /** Issuer and `sid` of the ID token, for a back-channel logout endpoint of your own. */
  issuerSession?: string | undefined;
}

export interface NewSession {
  data: Buffer;
  /** Absent for a visitor's session. */
  signIn?: {
    keys: IndexKeys;
    facts: Buffer;
    tokens: Buffer;
    /** Your label for it in the user's list of sessions. */
    label: string;
  };
  startedAt: number;
  /** When the session ends unless it is used: from then on its row is gone or unreadable. */
  expiresAt: number;
  /** When the session ends even if it is used. */
  endsAt: number;
}

/** One entry in a user's list of sessions. */
export interface SessionSummary {
  key: string;
  startedAt: number;
  lastSeenAt: number;
  label: string;
}

/**
 * The records of all sessions, keyed by a hash of the session id. Every method rejects when the
 * store cannot be reached, within the store's own command timeout: it never hangs.
 */
export interface SessionRecords {
  read(key: string): Promise<SessionRow | undefined>;
  readTokens(key: string): Promise<TokenRow | undefined>;
  /**
   * Writes a session with a new id. Keeps at most MOST_SESSIONS_PER_PERSON of one user, the newest
   * ones: one account must not fill the store, nor its list outgrow a page.
   */
  insert(key: string, session: NewSession): Promise<void>;
  /**
   * Writes the data and the new expiry of a session. Resolves to false, and writes nothing, once
   * the session has ended: a slow request must not bring a signed-out session back.
   */
  update(key: string, data: Buffer, lastSeenAt: number, expiresAt: number): Promise<boolean>;
  /**
   * Records that a session is in use, and its new expiry. Does not write its data, which another
   * request may have changed meanwhile. Resolves to false once the session has ended.
   */
  touch(key: string, lastSeenAt: number, expiresAt: number): Promise<boolean>;
  /**
   * Replaces the token set if its version is still `fromVersion` (compare-and-set).
   * Resolves to false if the session has ended or another request has replaced the tokens.
   */
  replaceTokens(
    key: string,
    fromVersion: number,
    next: { facts: Buffer; tokens: Buffer; organization?: string | undefined },
  ): Promise<boolean>;
  /**
   * Records that there was news about the session's user at `at`, so that tokens obtained before
   * then must be checked with the issuer. Keeps the latest time. Never revives an ended session.
   */
  recheck(key: string, at: number): Promise<void>;
  /** Resolves to whether the session existed and had not ended. */
  remove(key: string): Promise<boolean>;
  /** A user's sessions that have not ended, last seen first. */
  sessionsOf(person: string): Promise<SessionSummary[]>;
  /** The keys of the sessions that have not ended and have this index key. */
  keysBy(index: keyof IndexKeys, indexKey: string): Promise<string[]>;
  /**
   * Takes the lease `name` for `ms` milliseconds unless another owner holds it; the same owner may
   * take it again. A crashed holder delays the others by one lease at most.
   */
  acquireLease(name: string, owner: string, ms: number): Promise<boolean>;
  /** Extends a lease that this owner still holds; false if it was lost. */
  renewLease(name: string, owner: string, ms: number): Promise<boolean>;
  releaseLease(name: string, owner: string): Promise<void>;
  /** Resolves if a sign-in could be saved now: the store responds and accepts writes. */
  ping(): Promise<void>;
}
