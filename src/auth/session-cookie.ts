// The session's cookie: its name and attributes, and the way from a Cookie header to a session's key.
import { hash } from 'node:crypto';
import { parseCookie } from 'cookie';
import { unsign } from 'cookie-signature';
import type { CookieOptions, Request } from 'express';
import { LRUCache } from 'lru-cache';
import type { SessionSettings } from './session-settings.ts';

/** At some 400 bytes each. */
const MOST_REMEMBERED = 5_000;
/** What express-session puts before a signed value. */
const SIGNED = 's:';

export interface SessionId {
  /** The secret that only the browser's cookie holds. */
  sid: string;
  /** The key of the session in the store: whoever reads it there cannot make the cookie from it. */
  key: string;
  /** The cookie as a Cookie header, with nothing else in it. */
  cookie: string;
}

/** The key of a session in the store. */
export const sessionKey = (sid: string) => hash('sha256', sid, 'base64url');

/**
 * Name and attributes of the session cookie. `__Host-` keeps a sibling subdomain from planting one
 * (RFC 6265bis §4.1.3.2); Lax lets the cookie come along on the way back from AuthKit.
 */
export function sessionCookie({ secure, idleSeconds }: SessionSettings) {
  const attributes: CookieOptions = { path: '/', httpOnly: true, sameSite: 'lax', secure };
  return {
    name: secure ? '__Host-session' : 'session',
    attributes,
    options: { ...attributes, maxAge: idleSeconds * 1000 },
  };
}

/**
 * Reads the cookie `name` of a request. The function answers undefined when there is none, and an
 * `id` only when one of the secrets signed it. Values found right are remembered: the same cookie
 * comes with every request of a browser, and one HMAC and one hash for each is work for nothing.
 */
export function createCookieReader(
  name: string,
  secrets: readonly string[],
): (req: Request) => { id: SessionId | undefined } | undefined {
  const known = new LRUCache<string, { id: SessionId }>({ max: MOST_REMEMBERED });

  return ({ headers: { cookie } }) => {
    const value = cookie?.includes(name) === true ? parseCookie(cookie)[name] : undefined;
    if (value === undefined) return undefined;
    const remembered = known.get(value);
    if (remembered) return remembered;
    const sid = value.startsWith(SIGNED) && unsignWith(secrets, value.slice(SIGNED.length));
    if (!sid) return { id: undefined };
    const own = `${name}=${encodeURIComponent(value)}`;
    const found = { id: { sid, key: sessionKey(sid), cookie: own } };
    known.set(value, found);
    return found;
  };
}

function unsignWith(secrets: readonly string[], signed: string): string | undefined {
  for (const secret of secrets) {
    const value = unsign(signed, secret);
    if (value !== false) return value;
  }
  return undefined;
}
