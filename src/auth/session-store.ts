// The store of express-session on top of SessionRecords. It adds what every engine needs alike:
// keys are hashes of session ids, values are sealed, and a session that has ended stays ended.
import { hash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import session from 'express-session';
import type { Request } from 'express';
import { SignInError } from './errors.ts';
import { createOpener, type Opener } from './opened-sessions.ts';
import type { SignedIn } from './express.ts';
import type { NewSession, SessionRecords, SessionRow } from './records.ts';
import { createSealer, type Sealer } from './seal.ts';
import { sessionCookie, type SessionSettings } from './session-settings.ts';
import type { Grant, TokenSet } from './tokens.ts';

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

interface Held {
  row: SessionRow | undefined;
  grant: Grant | undefined;
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

/** The key of a session in the store: whoever reads it there cannot make the cookie from it. */
export const sessionKey = (sid: string) => hash('sha256', sid, 'base64url');

/** Groups a person's sessions. Issuer and sub together, since `sub` is unique per issuer only. */
export const userKey = (issuer: string, sub: string) =>
  hash('sha256', `${issuer}\n${sub}`, 'base64url');

// express-session compares a session's JSON before and after each request, three times, to see
// whether it has to be saved. Of a sign-in that is stored only this one member ever changes.
const COMPARED_BY_LAST_SEEN = {
  toJSON(this: SignedIn) {
    return this.lastSeenAt;
  },
};

export class SealedSessionStore extends session.Store {
  readonly #records: SessionRecords;
  readonly #cookie: session.CookieOptions & { maxAge: number };
  readonly #data: Sealer;
  readonly #grants: Sealer;
  readonly #tokens: Sealer;
  readonly #opener: Opener;
  // What is known to be in the store, by the session object of the request that knows it.
  readonly #held = new WeakMap<object, Held>();
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

  override get(sid: string, callback: Callback<session.SessionData | null>) {
    answer(this.#read(sid), callback);
  }

  async #read(sid: string): Promise<session.SessionData | null> {
    const key = sessionKey(sid);
    const row = await this.#records.read(key);
    if (!row) this.#opener.forget(key);
    const opened = row && this.#opener.open(key, sid, row);
    if (!opened) return null;
    const data = JSON.parse(opened.rest) as session.SessionData;
    if (opened.signedIn) {
      data.signedIn = Object.assign(Object.create(COMPARED_BY_LAST_SEEN), opened.signedIn);
    }
    // The cookie's attributes are settings, not state: they are not stored.
    data.cookie = { ...this.#cookie, originalMaxAge: this.#cookie.maxAge };
    this.#held.set(data, { row, grant: opened.grant });
    return data;
  }

  override createSession(req: Request, data: session.SessionData) {
    const created = super.createSession(req, data);
    const held = this.#held.get(data);
    if (held) this.#held.set(created, held);
    return created;
  }

  override set(sid: string, data: session.SessionData, callback?: Callback<void>) {
    answer(this.#write(sid, data), callback);
  }

  async #write(sid: string, data: session.SessionData): Promise<void> {
    const key = sessionKey(sid);
    // A copy of `signedIn` as a plain object: it is stored whole.
    const content = { ...data, cookie: undefined, signedIn: data.signedIn && { ...data.signedIn } };
    const sealed = this.#data.seal(JSON.stringify(content), sid);
    const now = Date.now();
    const expiresAt = data.cookie.expires ? new Date(data.cookie.expires).getTime() : now;
    if (this.#held.has(data)) {
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
    this.#held.set(data, { row: undefined, grant: begun?.grant });
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

  /** True when the session came from the store, not from thin air. */
  isStored(data: object): boolean {
    return this.#held.has(data);
  }

  /** The facts of a session's token set as this request read them. */
  grantOf(data: session.Session): Grant | undefined {
    return this.#held.get(data)?.grant;
  }

  /** The version of the token record that this request read. */
  versionOf(data: session.Session): number {
    return this.#held.get(data)?.row?.version ?? 0;
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
