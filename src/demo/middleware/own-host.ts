// One host name for everything: a sign-in that starts at 127.0.0.1 and comes back at localhost finds
// none of its cookies. The Host header is compared here and goes into no URL.
import type { RequestHandler } from 'express';
import { isNavigation } from '../../auth/index.ts';
import type { Log } from '../../process/log.ts';

const MARK = 'own-host';
const MARK_SECONDS = 10;

/** Sends a page navigation on another host name to BASE_URL. */
export function redirectToOwnHost(baseUrl: URL): RequestHandler {
  return (req, res, next) => {
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (req.host === baseUrl.host || !isRead || !isNavigation(req)) return next();
    // A proxy that replaces Host makes every request look foreign. The mark comes back only where
    // the redirect led to this very host again: then redirecting helps nobody.
    if (req.headers.cookie?.includes(`${MARK}=`)) return next();
    res.cookie(MARK, '1', { maxAge: MARK_SECONDS * 1000, httpOnly: true, sameSite: 'lax' });
    res.set('Cache-Control', 'no-store');
    return res.redirect(302, sameAddressAt(baseUrl, req.originalUrl));
  };
}

/**
 * The same path and query below `baseUrl`, /login and /callback too: behind a proxy that replaces
 * Host, AuthKit's answer must not get lost. Setting path and query never changes a URL's host.
 */
function sameAddressAt(baseUrl: URL, originalUrl: string): string {
  const target = new URL(baseUrl);
  const [path = '/', ...query] = originalUrl.split('?');
  target.pathname = path;
  target.search = query.join('?');
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
