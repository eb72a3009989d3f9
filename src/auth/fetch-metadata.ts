// What a browser wants with a request, as far as it says (Fetch Metadata Request Headers,
// https://www.w3.org/TR/fetch-metadata/): to show a page, or something else.
import type { Request } from 'express';

/** Whether a browser wants to show the response as a page, and not a script, prefetch or frame. */
export function isNavigation(req: Request): boolean {
  if (isNoNavigation(req)) return false;
  const mode = req.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  // Browsers without Sec-Fetch ask for HTML by name when they navigate, scripts for */* or JSON.
  return req.get('accept')?.includes('text/html') === true;
}

/**
 * Whether a browser says that it wants no page: an image, a script, a fetch, a frame, a prefetch. Clients
 * that say nothing, such as curl, are let through, and so is Node's fetch, which names a mode alone:
 * browsers name the destination as well.
 */
export function isNoNavigation(req: Request): boolean {
  const { 'sec-fetch-mode': mode = 'navigate', 'sec-fetch-dest': dest } = req.headers;
  // A service worker that passes a navigation on leaves its destination empty.
  const isPage = dest === 'document' || dest === 'empty';
  const isSaid = dest !== undefined && !(isPage && mode === 'navigate');
  return isSaid || isPrefetch(req);
}

// What browsers have called it over the years; the last two are Firefox's and Safari's.
const PREFETCH_HEADERS = ['sec-purpose', 'purpose', 'x-moz', 'x-purpose'];

/** Whether the browser only fetches ahead of a click that may never come. */
export function isPrefetch(req: Request): boolean {
  return PREFETCH_HEADERS.some((name) => /prefetch|prerender|preview/i.test(req.get(name) ?? ''));
}
