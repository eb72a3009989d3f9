// The session cookie: from a Cookie header to a session's key, and back to a Set-Cookie header.
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseCookie, stringifySetCookie, type SerializeOptions } from 'cookie';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';

export interface SessionId {
  /** The secret that only the browser's cookie holds; not the `sid` claim of an ID token. */
  sid: string;
  /** The session's key in the store, a hash: it does not reveal the cookie. */
  key: string;
}

export const sessionKey = (sid: string) => hash('sha256', sid, 'base64url');

/** About 300 bytes each. */
const MAX_CACHED = 5_000;
/** The prefix with which express-session marks a signed value. */
const SIGNED = 's:';

/**
 * The cookies of a header whose names begin with `prefix`. Several may have the same name: another
 * path, a sibling domain or an application on another port of this host may have set one, and its
 * cookie may come first. A value may be quoted (RFC 6265 §4.1.1).
 */
export function cookiesWithPrefix(prefix: string, header = ''): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (const pair of header.split(';')) {
    // At most 30: each may cost an HMAC or a decryption, and a read of the store.
    if (found.length === 30 || !pair.trimStart().startsWith(prefix)) continue;
    for (const [name, value = ''] of Object.entries(parseCookie(pair)))
      found.push([name, value.replace(/^"(.*)"$/, '$1')]);
  }
  return found;
}

/** Reads and writes the session cookie in the format of express-session. */
export class SessionCookie {
  readonly name: string;
  readonly attributes: SerializeOptions & { secure: boolean };
  readonly #oldName: string;
  readonly #secrets: readonly string[];
  // A browser sends the same cookie with every request: its HMAC is computed once.
  readonly #verified = new LRUCache<string, SessionId>({ max: MAX_CACHED });

  /**
   * `suffix` ends the name. The first of `secrets` signs, all of them verify. `__Host-` keeps a
   * sibling subdomain from planting a cookie (RFC 6265bis §4.1.3.2). Unlike Strict, Lax lets
   * browsers send it when they return from AuthKit.
   */
  constructor(suffix: string, secrets: readonly string[], secure: boolean) {
    // Version 0.1.0 used this name for every application. Today's names begin with it.
    this.#oldName = `${secure ? '__Host-' : ''}session`;
    this.name = this.#oldName + suffix;
    this.attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure };
    this.#secrets = secrets;
  }

  /** The sessions that the request names, usually one. Values we did not sign are ignored. */
  read({ headers: { cookie } }: IncomingMessage): SessionId[] {
    return this.#ownCookies(cookie).map(([, id]) => id);
  }

  /** Those of the current name first: other applications may have set the old one. */
  #ownCookies(header: string | undefined): [name: string, id: SessionId][] {
    const ours: [string, SessionId][] = [];
    for (const [name, value] of cookiesWithPrefix(this.#oldName, header)) {
      if (name !== this.name && name !== this.#oldName) continue;
      const id = this.#verified.get(value) ?? this.#verify(value);
      if (id) ours.push([name, id]);
    }
    return ours.length < 2 ? ours : ours.toSorted(([a], [b]) => b.length - a.length);
  }

  #verify(value: string): SessionId | undefined {
    for (const secret of this.#secrets) {
      const sid = value.startsWith(SIGNED) && unsign(value.slice(SIGNED.length), secret);
      if (!sid) continue;
      const id = { sid, key: sessionKey(sid) };
      this.#verified.set(value, id);
      return id;
    }
    return undefined;
  }

  /** The cookie value for a session. */
  signed(sid: string): string {
    return SIGNED + sign(sid, this.#secrets[0] ?? '');
  }

  /** Sends the cookie again, to expire in `maxAgeMs`. */
  renew(res: ServerResponse, sid: string, maxAgeMs: number): void {
    this.#send(res, this.name, this.signed(sid), new Date(Date.now() + maxAgeMs));
  }

  /** Deletes our cookies; under the old name, which your app may use too, only this session's. */
  clear(res: ServerResponse, sid?: string): void {
    const ours = this.#ownCookies(res.req.headers.cookie);
    const names = ours.flatMap(([name, id]) => (name === this.name || id.sid === sid ? name : []));
    for (const name of new Set(names)) this.#send(res, name, '', new Date(1));
  }

  // Express's res.cookie does not exist on the response to a WebSocket upgrade.
  #send(res: ServerResponse, name: string, value: string, expires: Date): void {
    const options = { ...this.attributes, expires };
    res.appendHeader('Set-Cookie', stringifySetCookie(name, value, options));
  }
}
