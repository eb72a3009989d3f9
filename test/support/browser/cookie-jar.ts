// Cookies as browsers keep them (RFC 6265bis): by host and path, not by port; Secure, __Host-,
// expiry and SameSite as Chromium treats them.

interface Cookie {
  host: string;
  path: string;
  name: string;
  value: string;
  secure: boolean;
  sameSite: string;
  /** Undefined for a cookie that lasts until the browser is closed. */
  expiresAt: number | undefined;
  /** The Set-Cookie line as received. */
  line: string;
}

export class CookieJar {
  /** Every cookie by `host;path;name`. Tests may change, remove or copy entries. */
  readonly cookies = new Map<string, Cookie>();

  store(url: URL, lines: string[]): void {
    for (const line of lines) {
      const cookie = parse(url, line);
      if (cookie === undefined) continue;
      const key = `${cookie.host};${cookie.path};${cookie.name}`;
      this.cookies.delete(key);
      if (isAlive(cookie)) this.cookies.set(key, cookie);
    }
  }

  header(
    url: URL,
    request: { from: URL | undefined; method: string; isNavigation: boolean },
  ): string {
    const sent = [...this.cookies.values()].filter(
      (cookie) =>
        isAlive(cookie) &&
        cookie.host === url.hostname &&
        isUnder(url.pathname, cookie.path) &&
        (!cookie.secure || isSecure(url)) &&
        isAllowedBySameSite(cookie, url, request),
    );
    sent.sort((one, other) => other.path.length - one.path.length);
    return sent.map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  /** Finds a cookie by its name, with or without the suffix of the application. */
  find(name: string): Cookie | undefined {
    const cookies = [...this.cookies.values()];
    return cookies.find((cookie) => cookie.name === name || withoutSuffix(cookie.name) === name);
  }

  names(): string[] {
    return [...this.cookies.values()].filter(isAlive).map(({ name }) => withoutSuffix(name));
  }

  /** Another browser with the same cookies: a stolen one, or a second window. */
  copyFrom(other: CookieJar): void {
    for (const [key, cookie] of other.cookies) this.cookies.set(key, { ...cookie });
  }
}

/** `session-Ab3xY_` is `session`, and `sign-in-Ab3xY_.lq1.hash` is `sign-in.lq1.hash`. */
export const withoutSuffix = (name: string) =>
  name.replace(/(?<=^(?:__Host-)?(?:session|sign-in|sign-out))-[\w-]{6}(?=$|\.)/, '');

/** Same scheme and host (the hosts of tests have no subdomains); the port does not count. */
export function isSameSite(one: URL, other: URL): boolean {
  return one.protocol === other.protocol && one.hostname === other.hostname;
}

function parse(url: URL, line: string): Cookie | undefined {
  const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
  const attributes = new Map(
    rest.map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=', 2);
      return [name.toLowerCase(), value];
    }),
  );
  const name = pair.slice(0, pair.indexOf('='));
  const secure = attributes.has('secure');
  const path = attributes.get('path') ?? url.pathname.replace(/\/[^/]*$/, '');
  if (secure && !isSecure(url)) return undefined;
  if (name.startsWith('__Secure-') && !secure) return undefined;
  if (name.startsWith('__Host-') && (!secure || path !== '/' || attributes.has('domain'))) {
    return undefined;
  }
  return {
    host: url.hostname,
    path: path === '' ? '/' : path,
    name,
    value: pair.slice(pair.indexOf('=') + 1),
    secure,
    sameSite: (attributes.get('samesite') ?? 'lax').toLowerCase(),
    expiresAt: expiry(attributes),
    line,
  };
}

function expiry(attributes: Map<string, string>): number | undefined {
  const maxAge = attributes.get('max-age');
  if (maxAge !== undefined) return Date.now() + Number(maxAge) * 1000;
  const expires = attributes.get('expires');
  return expires === undefined ? undefined : Date.parse(expires);
}

function isAlive(cookie: Cookie): boolean {
  return cookie.expiresAt === undefined || cookie.expiresAt > Date.now();
}

function isUnder(pathname: string, path: string): boolean {
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

// Chromium treats http on localhost as secure for cookies.
function isSecure(url: URL): boolean {
  return url.protocol === 'https:' || url.hostname === 'localhost';
}

function isAllowedBySameSite(
  cookie: Cookie,
  url: URL,
  request: { from: URL | undefined; method: string; isNavigation: boolean },
): boolean {
  const { from, method, isNavigation } = request;
  if (from === undefined || isSameSite(from, url) || cookie.sameSite === 'none') return true;
  return cookie.sameSite === 'lax' && isNavigation && (method === 'GET' || method === 'HEAD');
}
