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

/**
 * The cookies of a header whose names begin like this. There may be several of one name: another path, a
 * sibling domain or an application on another port of this host may have set one, and it may come first.
 * A value may be quoted (RFC 6265 §4.1.1).
 */
export function cookiesNamed(start: string, header = ''): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (const pair of header.split(';')) {
    // No more than that: each may cost an HMAC, or an attempt to open it, and a read.
    if (found.length === 30 || !pair.trimStart().startsWith(start)) continue;
    for (const [name, value = ''] of Object.entries(parseCookie(pair)))
      found.push([name, value.replace(/^"(.*)"$/, '$1')]);
  }
  return found;
}

/** Reads and writes the cookie in the form that express-session gives it. */
export class SessionCookie {
  readonly name: string;
  readonly attributes: SerializeOptions & { secure: boolean };
  readonly #oldName: string;
  readonly #secrets: readonly string[];
  // The same cookie comes with every request of a browser: its HMAC is computed once.
  readonly #known = new LRUCache<string, SessionId>({ max: MOST_REMEMBERED });

  /**
   * `suffix` ends the name. The first of `secrets` signs, all of them verify. `__Host-` keeps a sibling
   * subdomain from planting a cookie (RFC 6265bis §4.1.3.2); Lax lets it come along on the way back from
   * AuthKit.
   */
  constructor(suffix: string, secrets: readonly string[], secure: boolean) {
    // Version 0.1.0 had this name for every application; all begin with it.
    this.#oldName = `${secure ? '__Host-' : ''}session`;
    this.name = this.#oldName + suffix;
    this.attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure };
    this.#secrets = secrets;
  }

  /** The sessions that the request names, as a rule one; whatever none of the secrets signed is not ours. */
  read({ headers: { cookie } }: IncomingMessage): SessionId[] {
    return this.#ours(cookie).map(([, id]) => id);
  }

  /** Under this name before those under the old one, which anybody may have set. */
  #ours(header: string | undefined): [name: string, id: SessionId][] {
    const ours: [string, SessionId][] = [];
    for (const [name, value] of cookiesNamed(this.#oldName, header)) {
      if (name !== this.name && name !== this.#oldName) continue;
      const id = this.#known.get(value) ?? this.#verify(value);
      if (id) ours.push([name, id]);
    }
    return ours.length < 2 ? ours : ours.toSorted(([a], [b]) => b.length - a.length);
  }

  #verify(value: string): SessionId | undefined {
    for (const secret of this.#secrets) {
      const sid = value.startsWith(SIGNED) && unsign(value.slice(SIGNED.length), secret);
      if (!sid) continue;
      const id = { sid, key: sessionKey(sid) };
      this.#known.set(value, id);
      return id;
    }
    return undefined;
  }

  /** The value for a session. */
  signed(sid: string): string {
    const [secret = ''] = this.#secrets;
    return SIGNED + sign(sid, secret);
  }

  /** Sends the cookie again, to expire in `maxAgeMs`. */
  renew(res: ServerResponse, sid: string, maxAgeMs: number): void {
    const expires = new Date(Date.now() + maxAgeMs);
    this.#send(res, this.name, this.signed(sid), expires);
  }

  /** Deletes what came and is ours; under the old name, which a host may use too, this session alone. */
  clear(res: ServerResponse, sid?: string): void {
    const ours = this.#ours(res.req.headers.cookie);
    const names = ours.flatMap(([name, id]) => (name === this.name || id.sid === sid ? name : []));
    for (const name of new Set(names)) this.#send(res, name, '', new Date(1));
  }

  // Not Express's res.cookie: the response to a WebSocket upgrade has none.
  #send(res: ServerResponse, name: string, value: string, expires: Date): void {
    const options = { ...this.attributes, expires };
    res.appendHeader('Set-Cookie', stringifySetCookie(name, value, options));
  }
}
