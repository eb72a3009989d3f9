// Whether a form is to be obeyed: it was on a page of this very origin, and on one of whoever is signed in.
import type { Request, RequestHandler } from 'express';
import { SignInError } from './errors.ts';

/**
 * Refuses a request that a page of another origin made (cross-site request forgery). The cookies are
 * SameSite=Lax, which spares sibling subdomains; this does not (OWASP ASVS 5, 3.5.1). `Sec-Fetch-Site` cannot
 * be set by a page; `Origin` is compared as a whole, so `null` and look-alikes fail. A browser that sends
 * neither header is left to SameSite=Lax, which withholds the session from cross-site posts.
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

/**
 * What names the signed-in person in the address of a form, as `?person=`: a keyed hash, which tells nobody
 * who it is; empty where nobody is signed in.
 */
export const personIn = (req: Request): string => req.authSession?.stored?.people[0] ?? '';

/**
 * Refuses a form whose `person` is not who is signed in: two people may use one browser, or one person two
 * accounts, and a page may still be open. What it holds must not wait for the next person either.
 * @throws SignInError `other_person`; `login_required` where nobody is signed in any more;
 * `store_unavailable` where that cannot be told
 */
export const rejectOtherPerson: RequestHandler = (req, _res, next) => {
  const { unavailable, stored, current } = req.authSession ?? {};
  const { person } = req.query;
  const isNamed = typeof person === 'string' && person !== '';
  if (!isNamed || (current && stored?.people.includes(person) === true)) return next();
  throw unavailable ?? new SignInError(current ? 'other_person' : 'login_required');
};
