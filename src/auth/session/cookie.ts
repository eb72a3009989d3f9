// The session's cookie: from a Cookie header to the key of a session, and back to a Set-Cookie header.
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseCookie, stringifySetCookie, type SerializeOptions } from 'cookie';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';

export interface SessionId {
  /** The secret that only the browser's cookie holds. */
  sid: string;
  /** The key of the session in the store: whoever reads it there cannot make the cookie from it. */
  key: string;
}

export const sessionKey = (sid: string) => hash('sha256', sid, 'base64url');

/** At some 300 bytes each. */
const MOST_REMEMBERED = 5_000;
/** What express-session puts before a signed value. */
const SIGNED = 's:';

/** Reads and writes the cookie in the form that express-session gives it. */
export class SessionCookie {
  readonly name: string;
  readonly attributes: SerializeOptions & { secure: boolean };
  readonly #secrets: readonly string[];
  // The same cookie comes with every request of a browser: its HMAC is computed once.
  readonly #known = new LRUCache<string, SessionId>({ max: MOST_REMEMBERED });

  /**
   * The first of `secrets` signs, all of them verify. `__Host-` keeps a sibling subdomain from planting
   * a cookie (RFC 6265bis §4.1.3.2); Lax lets it come along on the way back from AuthKit.
   */
  constructor(secrets: readonly string[], secure: boolean) {
    this.name = secure ? '__Host-session' : 'session';
    this.attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure };
    this.#secrets = secrets;
  }

  /** Undefined without a cookie; 'unknown' for one that none of the secrets signed. */
  read({ headers: { cookie } }: IncomingMessage): SessionId | 'unknown' | undefined {
    const value = cookie?.includes(this.name) === true ? parseCookie(cookie)[this.name] : undefined;
    return value === undefined ? undefined : (this.#known.get(value) ?? this.#verify(value));
  }

  #verify(value: string): SessionId | 'unknown' {
    for (const secret of this.#secrets) {
      const sid = value.startsWith(SIGNED) && unsign(value.slice(SIGNED.length), secret);
      if (!sid) continue;
      const id = { sid, key: sessionKey(sid) };
      this.#known.set(value, id);
      return id;
    }
    return 'unknown';
  }

  /** Sends the cookie again, to expire in `maxAgeMs`. */
  renew(res: ServerResponse, sid: string, maxAgeMs: number): void {
    const [secret = ''] = this.#secrets;
    const expires = new Date(Date.now() + maxAgeMs);
    this.#send(res, SIGNED + sign(sid, secret), { ...this.attributes, expires });
  }

  /** Deletes the cookie, by the attributes it was set with. */
  clear(res: ServerResponse): void {
    this.#send(res, '', { ...this.attributes, expires: new Date(1) });
  }

  // Not Express's res.cookie: the response to a WebSocket upgrade has none.
  #send(res: ServerResponse, value: string, options: SerializeOptions): void {
    res.appendHeader('Set-Cookie', stringifySetCookie(this.name, value, options));
  }
}
