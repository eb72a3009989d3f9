// Cross-site request forgery: a POST must come from a page of this very origin. The cookies are
// SameSite=Lax, which spares sibling subdomains; this does not (OWASP ASVS 5, 3.5.1).
import type { RequestHandler } from 'express';
import { SignInError } from './errors.ts';

/**
 * Refuses a request that a page of another origin made. `Sec-Fetch-Site` cannot be set by a page;
 * `Origin` is compared as a whole, so `null` and look-alikes fail. A browser that sends neither
 * header is left to SameSite=Lax, which withholds the session from cross-site posts.
 *
 * @throws SignInError `cross_site_request`
 */
export function rejectForeignOrigin(baseUrl: URL): RequestHandler {
  return (req, _res, next) => {
    const site = req.get('sec-fetch-site');
    const origin = req.get('origin');
    const foreign =
      (site !== undefined && site !== 'same-origin' && site !== 'none') ||
      (origin !== undefined && origin !== baseUrl.origin);
    next(foreign ? new SignInError('cross_site_request') : undefined);
  };
}
