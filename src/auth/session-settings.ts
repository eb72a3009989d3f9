// The session's settings and its cookie, known to the store and the middleware alike.
import type { CookieOptions } from 'express';

export interface SessionSettings {
  issuer: URL;
  clientId: string;
  secrets: readonly string[];
  idleSeconds: number;
  /** BASE_URL is https. That decides `Secure`, not the connection, which a proxy may have made. */
  secure: boolean;
}

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
