// The express-session store on top of SessionRecords, and the token record beside each session. It
// adds what every engine needs: keys are hashes of session ids, values are sealed, and an ended
// session stays ended.
import session from 'express-session';
import type { Request } from 'express';
import { LRUCache } from 'lru-cache';
import { storeFailure } from '../errors.ts';
import type { SignedIn } from '../sign-in/user.ts';
import type { TokenFacts, Tokens, TokenSet } from '../tokens/token-set.ts';
import { sessionKey, type SessionCookie, type SessionId } from './cookie.ts';
import type { NewSession, SessionRecords, SessionRow } from './records.ts';
import { COMPRESSION, createSealer, sealOf, SessionIndex } from './seal.ts';

/** The sealed data of a session, of this version or of 0.1.0, beside what your app keeps in it. */
type Content = { signedIn?: SignedIn & { lastSeenAt?: number }; passport?: unknown };

/** An opened row. Requests of the same session share it, so it is frozen. */
interface OpenedRow {
  /** Of the sealed values that were opened: see `sealOf`. */
  seals: string;
  signedIn: Readonly<SignedIn> | undefined;
  facts: TokenFacts | undefined;
  /** The index keys of the user who signed in: see `SessionIndex.ofPerson`. */
  userKeys: string[];
  /** What your app keeps in `req.session`, as JSON: each request may change its own copy. */
  hostData: string;
}

/** A session as this request read it. */
export interface StoredSession extends SessionId, OpenedRow {
  /** The version of the token record. */
  version: number;
  lastSeenAt: number;
  /** Tokens obtained before this time must be checked with AuthKit: there was news of the user. */
  recheckAt: number;
}

/** The token record as the store holds it. */
export interface StoredTokens extends Tokens {
  version: number;
}

/** A sign-in whose session is about to be saved, with its label for the user's list of sessions. */
interface NewSignIn extends Tokens {
  signedIn: SignedIn;
  label: string;
}

/** Symbols, so that an app which copies a form or JSON into `req.session` cannot sign anyone in. */
export const NEW_SIGN_IN = Symbol('new sign-in');
const STORED = Symbol('stored');
interface Marked {
  [NEW_SIGN_IN]?: NewSignIn;
  /** Set on a session that is in the store: the sign-in stored there. */
  [STORED]?: { signedIn: SignedIn | undefined };
}

type Callback<T> = (error: unknown, value?: T) => void;

/** express-session uses callbacks, the records use promises. */
function settle<T>(promise: Promise<T>, callback?: Callback<T>): void {
  promise.then(
    (value) => callback?.(null, value),
    (error: unknown) => callback?.(error),
  );
}

/** About 1.5 kB each. */
const MAX_CACHED = 5_000;
const MAX_CACHED_BYTES = 4_096;

/** Unless stated otherwise, its methods reject with the error of the records. */
export class SealedSessionStore extends session.Store {
  readonly #records: SessionRecords;
  readonly #cookie: SessionCookie;
  readonly #lifetimes: { idleMs: number; maxMs: number };
  readonly #data;
  readonly #facts;
  readonly #tokens;
  /** The keys that sessions are found by. */
  readonly index: SessionIndex;
  // Every request still reads its row, so an ended session is never served from this cache. It only
  // saves decrypting and parsing bytes that have not changed.
  readonly #opened = new LRUCache<string, OpenedRow>({ max: MAX_CACHED });

  constructor(
    records: SessionRecords,
    cookie: SessionCookie,
    secrets: readonly string[],
    lifetimes: { idleMs: number; maxMs: number },
  ) {
    super();
    this.#records = records;
    this.#cookie = cookie;
    this.#lifetimes = lifetimes;
    this.#data = createSealer(secrets, 'session data', COMPRESSION);
    this.#facts = createSealer(secrets, 'session grant', COMPRESSION);
    this.#tokens = createSealer(secrets, 'session tokens', COMPRESSION);
    this.index = new SessionIndex(secrets);
  }

  /** Reads a session from the store. */
  async find({ sid, key }: SessionId): Promise<StoredSession | undefined> {
    const row = await this.#records.read(key);
    const opened = row && this.#open(key, sid, row);
    // The session has ended: keep nothing of it in memory.
    if (!opened) return void this.#opened.delete(key);
    const { version, lastSeenAt, recheckAt } = row;
    return { sid, key, ...opened, version, lastSeenAt, recheckAt };
  }

  #open(key: string, sid: string, row: SessionRow): OpenedRow | undefined {
    const seals = sealOf(row.data) + (row.facts ? sealOf(row.facts) : '');
    const known = this.#opened.get(key);
    if (known?.seals === seals) return known;
    const content: Content | undefined = this.#data.open(row.data, sid);
    if (!content) return undefined;
    const { signedIn, ...host } = content;
    // Version 0.1.0 kept `lastSeenAt` here, and its own copy of the user in `passport`.
    if (signedIn?.lastSeenAt !== undefined) delete host.passport;
    delete signedIn?.lastSeenAt;
    const facts = row.facts && (this.#facts.open(row.facts, sid) as TokenFacts | undefined);
    const opened = {
      seals,
      signedIn: signedIn && freeze(signedIn),
      facts: facts && freeze(facts),
      userKeys: signedIn ? this.index.ofPerson(signedIn.user) : [],
      hostData: JSON.stringify(host),
    };
    // What your app keeps also counts uncompressed, since it may repeat itself.
    if (row.data.length + opened.hostData.length <= MAX_CACHED_BYTES) this.#opened.set(key, opened);
    return opened;
  }

  /** For express-session: null when there is no such session. */
  override get(sid: string, callback: Callback<session.SessionData | null>) {
    const found = this.find({ sid, key: sessionKey(sid) }).then((stored) => {
      if (!stored) return null;
      const data = JSON.parse(stored.hostData) as session.SessionData;
      const { signedIn } = stored;
      if (signedIn) data.signedIn = { ...signedIn };
      // The cookie's attributes are settings, not state: they are not stored.
      const maxAge = Math.min(this.#lifetimes.idleMs, (signedIn?.endsAt ?? Infinity) - Date.now());
      data.cookie = { ...this.#cookie.attributes, maxAge, originalMaxAge: maxAge };
      markStored(data, signedIn);
      return data;
    });
    settle(found, callback);
  }

  /** For express-session: makes `req.session` from what `get` found. */
  override createSession(req: Request, data: session.SessionData) {
    const created = super.createSession(req, data);
    markStored(created, (data as Marked)[STORED]?.signedIn);
    return created;
  }

  /** For express-session: writes a new or changed session; an ended session stays ended. */
  override set(sid: string, data: session.SessionData, callback?: Callback<void>) {
    settle(this.#write(sid, data), callback);
  }

  async #write(sid: string, data: session.SessionData): Promise<void> {
    const { cookie, ...content } = data;
    const { [NEW_SIGN_IN]: begun, [STORED]: stored } = data as Marked;
    const key = sessionKey(sid);
    const now = Date.now();
    const { idleMs, maxMs } = this.#lifetimes;
    // If your app made it a cookie without expiry, the record still ends after the idle time.
    const expiresAt = cookie.expires ? new Date(cookie.expires).getTime() : now + idleMs;
    // Only a sign-in sets `signedIn`: later changes to it by your app are not saved.
    const signedIn = (stored ?? begun)?.signedIn;
    const sealed = this.#data.seal({ ...content, signedIn }, sid);
    if (stored) return void (await this.#records.update(key, sealed, now, expiresAt));
    const row: NewSession = { data: sealed, startedAt: now, expiresAt, endsAt: now + maxMs };
    if (begun) {
      const keys = this.index.keysFor(begun.signedIn, begun.facts);
      row.signIn = { keys, label: begun.label, ...this.#sealTokens(sid, begun) };
      row.endsAt = begun.signedIn.endsAt;
    }
    await this.#records.insert(key, row);
    markStored(data, signedIn);
  }

  override destroy(sid: string, callback?: Callback<void>) {
    const key = sessionKey(sid);
    this.#opened.delete(key);
    settle(this.#records.remove(key), (error) => callback?.(error));
  }

  /**
   * The token record; undefined once the session has ended.
   * @throws SignInError `store_unavailable`
   */
  async readTokens({ sid, key }: SessionId): Promise<StoredTokens | undefined> {
    const row = await this.#records.readTokens(key).catch(storeFailure);
    const tokens = row && this.#tokens.open(row.tokens, sid);
    const facts = row && this.#facts.open(row.facts, sid);
    return tokens && facts
      ? { tokens: tokens as TokenSet, facts: facts as TokenFacts, version: row.version }
      : undefined;
  }

  /**
   * Compare-and-set of the token record at version `from`; false if the session has ended or
   * another request was faster.
   * @throws SignInError `store_unavailable`
   */
  replaceTokens({ sid, key }: SessionId, from: number, next: Tokens, issuer: string) {
    const { orgId } = next.facts;
    const organization = orgId && this.index.of('organization', issuer, orgId)[0];
    const sealed = { ...this.#sealTokens(sid, next), organization };
    return this.#records.replaceTokens(key, from, sealed).catch(storeFailure);
  }

  #sealTokens(sid: string, { facts, tokens }: Tokens) {
    return {
      facts: this.#facts.seal(facts, sid),
      tokens: this.#tokens.seal(tokens, sid),
    };
  }
}

// Not enumerable, so that it is neither saved nor compared by express-session.
function markStored(data: object, signedIn: SignedIn | undefined): void {
  Object.defineProperty(data, STORED, { value: { signedIn } });
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner) freeze(inner);
  return Object.freeze(value);
}
