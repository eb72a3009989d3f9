// One host name for all requests: a sign-in that starts at 127.0.0.1 and returns to localhost finds
// none of its cookies. The Host header is only compared here and never becomes part of a URL.
import type { Request, RequestHandler } from 'express';
import { isNavigation } from '../../auth/index.ts';
import type { Log } from '../../process/log.ts';

/**
 * Appended to the query of a redirect from another host. Behind a proxy that replaces Host, the
 * redirected request looks foreign too, so a request with this marker is served on any host:
 * otherwise it would be redirected forever. A cookie would not do: browsers may block it, and a
 * sibling subdomain may set it (RFC 6265 §8.6).
 */
export const FROM_OTHER_HOST = 'from_other_host=1';

/** Redirects a page navigation on another host to BASE_URL, once. */
export function redirectToOwnHost(baseUrl: URL): RequestHandler {
  return (req, res, next) => {
    if (removeMarker(req) || isHostOf(baseUrl, req.host)) return next();
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (!isRead || !isNavigation(req)) return next();
    res.set('Cache-Control', 'no-store');
    return res.redirect(302, sameAddressAt(baseUrl, req.originalUrl));
  };
}

/**
 * Whether `host` is the host of `baseUrl` after URL normalization: case, default port, spelling of
 * an IP address. A value that would parse as more than a host never matches (RFC 9110 §7.2).
 */
function isHostOf({ protocol, host: own }: URL, host = ''): boolean {
  // The usual case, without parsing a URL.
  if (host === own) return true;
  // With a base: on Node 20 and 22, after some thousand calls without one, canParse refuses é.
  const base = `${protocol}//${own}`;
  if (/[\s/\\?#@]/.test(host) || !URL.canParse(`//${host}`, base)) return false;
  return new URL(`//${host}`, base).host === own;
}

/** Returns whether the marker was there, and removes it so that it never ends up in return_to. */
function removeMarker(req: Request): boolean {
  if (!req.originalUrl.includes(FROM_OTHER_HOST)) return false;
  const [path = '/', ...rest] = req.originalUrl.split('?');
  const query = rest.join('?').split('&');
  const kept = query.filter((pair) => pair !== FROM_OTHER_HOST);
  if (kept.length === query.length) return false;
  req.url = kept.length > 0 ? `${path}?${kept.join('&')}` : path;
  req.originalUrl = req.url;
  return true;
}

/**
 * The same path and query at `baseUrl`, /login and /callback included: behind a proxy that replaces
 * Host, the authorization response must not get lost. Path and query cannot change a URL's host.
 */
function sameAddressAt(baseUrl: URL, originalUrl: string): string {
  const target = new URL(baseUrl);
  const [path = '/', ...query] = originalUrl.split('?');
  target.pathname = path;
  target.search = [query.join('?'), FROM_OTHER_HOST].filter(Boolean).join('&');
  return target.href;
}

/**
 * Detects a proxy that is not trusted: every visitor then has the proxy's address. Warns once in
 * the log, and on every error page.
 */
export function diagnoseProxy(baseUrl: URL, isProxyTrusted: boolean, log: Log): RequestHandler {
  let hasWarned = false;
  return (req, res, next) => {
    const forwarded = req.headers['x-forwarded-for'] ?? req.headers.forwarded;
    const proto = req.headers['x-forwarded-proto'];
    if (isProxyTrusted || (forwarded === undefined && proto === undefined)) return next();
    const diagnosis =
      baseUrl.protocol === 'https:'
        ? 'Requests come through a proxy, but TRUST_PROXY is not set. Set it to the number of proxies, such as TRUST_PROXY=1.'
        : 'Requests come through a proxy, but BASE_URL is not https and TRUST_PROXY is not set. Set both.';
    res.locals['diagnosis'] = diagnosis;
    if (!hasWarned) log.warn({ event: 'proxy_not_trusted', hint: diagnosis });
    hasWarned = true;
    return next();
  };
}
