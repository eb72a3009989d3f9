// The store of express-session on top of SessionRecords. It adds what every engine needs alike:
// keys are hashes of session ids, values are sealed, and a session that has ended stays ended.
import session from 'express-session';
import type { Request } from 'express';
import { storeFailure } from './failure.ts';
import { createOpener, type OpenedSession, type Opener } from './opened-sessions.ts';
import type { NewSession, SessionRecords } from './records.ts';
import { createSealer, type Sealer } from './seal.ts';
import { sessionCookie, sessionKey, type SessionId } from './session-cookie.ts';
import type { SessionSettings } from './session-settings.ts';
import {
  createTokenRecordSealer,
  type HeldTokens,
  type TokenRecordSealer,
} from './token-record.ts';
import type { Grant, TokenSet } from './tokens.ts';

/** What a sign-in puts beside the session data, in the same write. */
export interface NewSignIn {
  userKey: string;
  browser: string;
  grant: Grant;
  tokens: TokenSet;
  /** Milliseconds since the epoch. */
  endsAt: number;
}

/** A session as a request read it. */
export interface StoredSession extends SessionId, OpenedSession {
  /** The version of the token record. */
  version: number;
}

type Callback<T> = (error: unknown, value?: T) => void;

/** express-session speaks callbacks, the records promises. */
function answer<T>(promise: Promise<T>, callback?: Callback<T>): void {
  promise.then(
    (value) => callback?.(null, value),
    (error: unknown) => callback?.(error),
  );
}

/**
 * The sessions of express-session, sealed, and the token record beside each. Its callbacks and its
 * promises hand on what the records reject with, where nothing else is said.
 */
export class SealedSessionStore extends session.Store {
  readonly #records: SessionRecords;
  readonly #cookie: session.CookieOptions & { maxAge: number };
  readonly #data: Sealer;
  readonly #tokens: TokenRecordSealer;
  readonly #opener: Opener;
  // The session objects that are known to be in the store, with what the host keeps in them there.
  readonly #stored = new WeakMap<object, string>();
  #openingAs: { read: StoredSession | undefined } | undefined;
  readonly #begun = new WeakMap<object, NewSignIn>();

  constructor(records: SessionRecords, settings: SessionSettings) {
    super();
    this.#records = records;
    this.#cookie = sessionCookie(settings).options;
    const grants = createSealer(settings.secrets, 'session grant');
    this.#data = createSealer(settings.secrets, 'session data');
    this.#opener = createOpener(this.#data, grants);
    this.#tokens = createTokenRecordSealer(
      grants,
      createSealer(settings.secrets, 'session tokens'),
    );
  }

  /** Reads a session, now. @throws what the records reject with */
  async find({ sid, key, cookie }: SessionId): Promise<StoredSession | undefined> {
    const row = await this.#records.read(key);
    if (!row) this.#opener.forget(key);
    const opened = row && this.#opener.open(key, sid, row);
    if (!opened) return undefined;
    const { signedIn, grant, user, rest } = opened;
    return { sid, key, cookie, signedIn, grant, user, version: row.version, rest };
  }

  /** While `work` runs, which it does at once, `get` answers with what was read before. */
  openAsRead(read: StoredSession | undefined, work: () => void): void {
    this.#openingAs = { read };
    try {
      work();
    } finally {
      this.#openingAs = undefined;
    }
  }

  /** For express-session: null when there is no such session. */
  override get(sid: string, callback: Callback<session.SessionData | null>) {
    const opening = this.#openingAs;
    // Whatever express-session makes of the cookies: data of one id never gets into another.
    if (opening)
      return callback(null, this.#dataOf(opening.read?.sid === sid ? opening.read : undefined));
    const found = this.find({ sid, key: sessionKey(sid), cookie: '' });
    return answer(
      found.then((read) => this.#dataOf(read)),
      callback,
    );
  }

  #dataOf(read: StoredSession | undefined): session.SessionData | null {
    if (!read) return null;
    const data = JSON.parse(read.rest) as session.SessionData;
    if (read.signedIn) data.signedIn = { ...read.signedIn };
    // The cookie's attributes are settings, not state: they are not stored.
    data.cookie = { ...this.#cookie, originalMaxAge: this.#cookie.maxAge };
    this.#stored.set(data, read.rest);
    return data;
  }

  /** For express-session: the object on `req`, which is in the store if what it is made of was. */
  override createSession(req: Request, data: session.SessionData) {
    const created = super.createSession(req, data);
    const rest = this.#stored.get(data);
    if (rest !== undefined) this.#stored.set(created, rest);
    return created;
  }

  /** For express-session: writes a new session; one that has ended meanwhile stays ended. */
  override set(sid: string, data: session.SessionData, callback?: Callback<void>) {
    answer(this.#write(sid, data), callback);
  }

  async #write(sid: string, data: session.SessionData): Promise<void> {
    const key = sessionKey(sid);
    const rest = JSON.stringify({ ...data, cookie: undefined, signedIn: undefined });
    const now = Date.now();
    // A cookie of the host's that ends with the browser ends here when it is not used.
    const { expires } = data.cookie;
    const expiresAt = expires ? new Date(expires).getTime() : now + this.#cookie.maxAge;
    const known = this.#stored.get(data);
    if (known === undefined) {
      await this.#insert(sid, data, rest, expiresAt);
      return;
    }
    // When only use is noted, what others have put into the session since it was read stays there.
    const latest = known === rest ? (await this.find({ sid, key, cookie: '' }))?.rest : rest;
    // Ended meanwhile, now or below: this request is late, and nothing is written.
    if (latest === undefined) return;
    await this.#records.update(key, this.#seal(sid, data, latest), now, expiresAt);
  }

  async #insert(sid: string, data: session.SessionData, rest: string, expiresAt: number) {
    const sealed = this.#seal(sid, data, rest);
    const row: NewSession = { data: sealed, startedAt: Date.now(), expiresAt, endsAt: expiresAt };
    const begun = this.#begun.get(data);
    if (begun) {
      row.endsAt = begun.endsAt;
      const { userKey, browser, grant, tokens } = begun;
      row.signIn = { userKey, browser, ...this.#tokens.seal(sid, grant, tokens) };
    }
    await this.#records.insert(sessionKey(sid), row);
    this.#stored.set(data, rest);
  }

  #seal(sid: string, { signedIn }: session.SessionData, rest: string): Buffer {
    const content = { ...(JSON.parse(rest) as object), signedIn };
    return this.#data.seal(JSON.stringify(content), sid);
  }

  /** For express-session: ends it, token record and all. */
  override destroy(sid: string, callback?: Callback<void>) {
    const key = sessionKey(sid);
    this.#opener.forget(key);
    answer(this.#records.remove(key), callback);
  }

  /** Lets the first save of this new session write the token record too, in one go. */
  begin(data: object, signIn: NewSignIn): void {
    this.#begun.set(data, signIn);
  }

  /**
   * Reads the token record, now: undefined once the session has ended or cannot be opened.
   * @throws SignInError `store_unavailable`
   */
  async readTokens(sid: string): Promise<HeldTokens | undefined> {
    const row = await this.#records.readTokens(sessionKey(sid)).catch(storeFailure);
    return row && this.#tokens.open(sid, row);
  }

  /**
   * Compare-and-set of the token record with version `from`; false when the session has ended or
   * somebody else was faster. @throws SignInError `store_unavailable`
   */
  async replaceTokens(sid: string, from: number, grant: Grant, tokens: TokenSet) {
    const next = this.#tokens.seal(sid, grant, tokens);
    return this.#records.replaceTokens(sessionKey(sid), from, next).catch(storeFailure);
  }
}
