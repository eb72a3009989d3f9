// Checks on submitted forms: a form must come from a page of this origin, and from a page that was
// shown to the user who is signed in now.
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import { SignInError } from './errors.ts';

/**
 * Refuses a request made by a page of another origin (cross-site request forgery). SameSite=Lax
 * lets sibling subdomains send the cookies; this check stops them too (OWASP ASVS 5, 3.5.1). A page
 * cannot set `Sec-Fetch-Site`; `Origin` is compared as a whole, so `null` and look-alikes fail.
 * When a browser sends neither header, SameSite=Lax still withholds the session from cross-site
 * posts.
 * @throws SignInError `cross_site_request`
 */
export function rejectForeignOrigin(baseUrl: URL): RequestHandler {
  return (req, _res, next) =>
    next(isForeign(req, baseUrl) ? new SignInError('cross_site_request') : undefined);
}

/** Whether a page of another origin made the request; other clients send neither header. */
export function isForeign({ headers }: IncomingMessage, baseUrl: URL): boolean {
  const { 'sec-fetch-site': site = 'none', origin = baseUrl.origin } = headers;
  return (site !== 'same-origin' && site !== 'none') || origin !== baseUrl.origin;
}

/**
 * Names the signed-in user in a form's URL, as `?person=`: a keyed hash of issuer and sub, which does
 * not reveal who it is; empty when no user is signed in.
 */
export const personIn = (req: Request): string => req.authSession?.stored?.userKeys[0] ?? '';

/**
 * Refuses a form whose `person` is not the signed-in user: two users may share a browser, or one
 * may have two accounts, while an old page is still open. It is refused after a sign-out as well,
 * so that its content is not kept for the next user. A form that names no user passes: put
 * `personIn` into the URL of each form.
 * @throws SignInError `other_person`; `login_required` if no user is signed in any more;
 * `store_unavailable` if that is unknown
 */
export const rejectOtherPerson: RequestHandler = (req, _res, next) => {
  const { unavailable, stored, current } = req.authSession ?? {};
  const { person } = req.query;
  const isNamed = typeof person === 'string' && person !== '';
  if (!isNamed || (current && stored?.userKeys.includes(person) === true)) return next();
  throw unavailable ?? new SignInError(current ? 'other_person' : 'login_required');
};
