// One host name for everything: a sign-in that starts at 127.0.0.1 and comes back at localhost finds
// none of its cookies. The Host header is compared here and goes into no URL.
import type { Request, RequestHandler } from 'express';
import { isNavigation } from '../../auth/index.ts';
import type { Log } from '../../process/log.ts';

/**
 * Ends the query of an address that came here from another host. A proxy that replaces Host makes every
 * request look foreign, the redirected one too: one with this mark is served wherever it arrives. Not a
 * cookie, which a browser may block and a sibling subdomain may plant (RFC 6265 §8.6).
 */
export const FROM_OTHER_HOST = 'from_other_host=1';

/** Sends a page navigation on another host to BASE_URL, once. */
export function redirectToOwnHost(baseUrl: URL): RequestHandler {
  return (req, res, next) => {
    if (dropMark(req) || isHostOf(baseUrl, req.host)) return next();
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (!isRead || !isNavigation(req)) return next();
    res.set('Cache-Control', 'no-store');
    return res.redirect(302, sameAddressAt(baseUrl, req.originalUrl));
  };
}

/**
 * Whether `host` is that of `baseUrl` as the URL standard writes it: case, default port, spelling of an
 * IP address. What a URL would read as more than a host (RFC 9110 §7.2) is none.
 */
function isHostOf({ protocol, host: own }: URL, host = ''): boolean {
  // As browsers send it, and as it nearly always is.
  if (host === own) return true;
  const address = `${protocol}//${host}`;
  return !/[\s/\\?#@]/.test(host) && URL.canParse(address) && new URL(address).host === own;
}

/** Whether the mark was there. What comes after sees none, so that it gets into no return_to. */
function dropMark(req: Request): boolean {
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
 * The same path and query below `baseUrl`, /login and /callback too: behind a proxy that replaces
 * Host, AuthKit's answer must not get lost. Setting path and query never changes a URL's host.
 */
function sameAddressAt(baseUrl: URL, originalUrl: string): string {
  const target = new URL(baseUrl);
  const [path = '/', ...query] = originalUrl.split('?');
  target.pathname = path;
  target.search = [query.join('?'), FROM_OTHER_HOST].filter(Boolean).join('&');
  return target.href;
}

/** Behind a proxy that is not trusted every visitor has the proxy's address; said once, and on pages. */
export function diagnoseProxy(baseUrl: URL, isProxyTrusted: boolean, log: Log): RequestHandler {
  let isTold = false;
  return (req, res, next) => {
    const forwarded = req.headers['x-forwarded-for'] ?? req.headers.forwarded;
    const proto = req.headers['x-forwarded-proto'];
    if (isProxyTrusted || (forwarded === undefined && proto === undefined)) return next();
    const diagnosis =
      baseUrl.protocol === 'https:'
        ? 'Requests come through a proxy, but TRUST_PROXY is not set. Set it to the number of proxies, such as TRUST_PROXY=1.'
        : 'Requests come through a proxy, but BASE_URL is not https and TRUST_PROXY is not set. Set both.';
    res.locals['diagnosis'] = diagnosis;
    if (!isTold) log.warn({ event: 'proxy_not_trusted', hint: diagnosis });
    isTold = true;
    return next();
  };
}
