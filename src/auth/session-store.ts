// The store of express-session on top of SessionRecords. It adds what every engine needs alike:
// keys are hashes of session ids, values are sealed, and a session that has ended stays ended.
import { hash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import session from 'express-session';
import type { Request } from 'express';
import { SignInError } from './errors.ts';
import { createOpener, type Opener } from './opened-sessions.ts';
import type { SignedIn } from './express.ts';
import type { NewSession, SessionRecords } from './records.ts';
import { createSealer, type Sealer } from './seal.ts';
import { sessionCookie, sessionKey, type SessionId } from './session-cookie.ts';
import type { SessionSettings } from './session-settings.ts';
import type { Grant, TokenSet } from './tokens.ts';
import type { User } from './user.ts';

/** What a sign-in puts beside the session data, in the same write. */
export interface NewSignIn {
  userKey: string;
  browser: string;
  grant: Grant;
  tokens: TokenSet;
  endsAt: number;
}

export interface HeldTokens {
  tokens: TokenSet;
  grant: Grant;
  version: number;
}

/** A session as a request read it. */
export interface StoredSession extends SessionId {
  /** Who signed in; absent in a session of somebody who did not. */
  signedIn: Readonly<SignedIn> | undefined;
  /** The facts of the token set; absent while there is none. */
  grant: Grant | undefined;
  /** Both together. IMPORTANT: shared by requests; each takes a copy. */
  user: User | undefined;
  /** The version of the token record. */
  version: number;
  /** Everything else in the session, as JSON. */
  rest: string;
}

type Callback<T> = (error: unknown, value?: T) => void;

/** express-session speaks callbacks, the records promises. */
function answer<T>(promise: Promise<T>, callback?: Callback<T>): void {
  promise.then(
    (value) => callback?.(null, value),
    (error: unknown) => callback?.(error),
  );
}

/** A rejection of the store as the one error that pages know. */
export function storeFailure(cause: unknown): never {
  throw cause instanceof SignInError ? cause : new SignInError('store_unavailable', { cause });
}

/** Groups a person's sessions. Issuer and sub together, since `sub` is unique per issuer only. */
export const userKey = (issuer: string, sub: string) =>
  hash('sha256', `${issuer}\n${sub}`, 'base64url');

export class SealedSessionStore extends session.Store {
  readonly #records: SessionRecords;
  readonly #cookie: session.CookieOptions & { maxAge: number };
  readonly #data: Sealer;
  readonly #grants: Sealer;
  readonly #tokens: Sealer;
  readonly #opener: Opener;
  // The session objects that are known to be in the store.
  readonly #stored = new WeakSet();
  #openingAs: { read: StoredSession | undefined } | undefined;
  readonly #begun = new WeakMap<object, NewSignIn>();

  constructor(records: SessionRecords, settings: SessionSettings) {
    super();
    this.#records = records;
    this.#cookie = sessionCookie(settings).options;
    this.#data = createSealer(settings.secrets, 'session data');
    this.#grants = createSealer(settings.secrets, 'session grant');
    this.#tokens = createSealer(settings.secrets, 'session tokens');
    this.#opener = createOpener(this.#data, this.#grants);
  }

  /** Reads a session, now. @throws what the records reject with */
  async find({ sid, key }: SessionId): Promise<StoredSession | undefined> {
    const row = await this.#records.read(key);
    if (!row) this.#opener.forget(key);
    const opened = row && this.#opener.open(key, sid, row);
    if (!opened) return undefined;
    const { signedIn, grant, user, rest } = opened;
    return { sid, key, signedIn, grant, user, version: row.version, rest };
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

  override get(sid: string, callback: Callback<session.SessionData | null>) {
    const opening = this.#openingAs;
    if (opening) return callback(null, this.#dataOf(opening.read));
    const found = this.find({ sid, key: sessionKey(sid) });
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
    this.#stored.add(data);
    return data;
  }

  override createSession(req: Request, data: session.SessionData) {
    const created = super.createSession(req, data);
    if (this.#stored.has(data)) this.#stored.add(created);
    return created;
  }

  override set(sid: string, data: session.SessionData, callback?: Callback<void>) {
    answer(this.#write(sid, data), callback);
  }

  async #write(sid: string, data: session.SessionData): Promise<void> {
    const key = sessionKey(sid);
    const sealed = this.#data.seal(JSON.stringify({ ...data, cookie: undefined }), sid);
    const now = Date.now();
    const expiresAt = data.cookie.expires ? new Date(data.cookie.expires).getTime() : now;
    if (this.#stored.has(data)) {
      // False once the session was ended meanwhile: this request is late, and nothing is written.
      await this.#records.update(key, sealed, now, expiresAt);
      return;
    }
    const begun = this.#begun.get(data);
    const row: NewSession = { data: sealed, startedAt: now, expiresAt, endsAt: expiresAt };
    if (begun) {
      row.endsAt = begun.endsAt;
      row.signIn = {
        userKey: begun.userKey,
        browser: begun.browser,
        grant: this.#grants.seal(JSON.stringify(begun.grant), sid),
        tokens: this.#tokens.seal(deflate(begun.tokens), sid),
      };
    }
    await this.#records.insert(key, row);
    this.#stored.add(data);
  }

  override destroy(sid: string, callback?: Callback<void>) {
    const key = sessionKey(sid);
    this.#opener.forget(key);
    answer(this.#records.remove(key), callback);
  }

  /** Lets the first save of this new session write the token record too, in one go. */
  begin(data: object, signIn: NewSignIn): void {
    this.#begun.set(data, signIn);
  }

  /** Reads the token set, now: undefined once the session has ended or cannot be opened. */
  async readTokens(sid: string): Promise<HeldTokens | undefined> {
    const row = await this.#records.readTokens(sessionKey(sid)).catch(storeFailure);
    if (!row) return undefined;
    const tokens = parse(inflate(this.#tokens.open(row.tokens, sid))) as TokenSet | undefined;
    const grant = parse(this.#grants.open(row.grant, sid)) as Grant | undefined;
    return tokens && grant && { tokens, grant, version: row.version };
  }

  /** Compare-and-set; false when the session has ended or somebody else was faster. */
  async replaceTokens(sid: string, from: number, grant: Grant, tokens: TokenSet) {
    const next = {
      grant: this.#grants.seal(JSON.stringify(grant), sid),
      tokens: this.#tokens.seal(deflate(tokens), sid),
    };
    return this.#records.replaceTokens(sessionKey(sid), from, next).catch(storeFailure);
  }
}

// IMPORTANT: only what our own key opened gets here.
const parse = (content: Buffer | undefined): unknown =>
  content === undefined ? undefined : JSON.parse(content.toString());

// Token sets are most of what a session takes in the store, and a JWT of text deflates well.
const deflate = (tokens: TokenSet) => deflateRawSync(JSON.stringify(tokens));
const inflate = (content: Buffer | undefined) => content && inflateRawSync(content);
