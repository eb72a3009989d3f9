// Whether a browser intends to show the response as a page, judged by its Fetch Metadata request
// headers: https://www.w3.org/TR/fetch-metadata/
import type { Request } from 'express';

/** Whether a browser will show the response as a page: not a fetch, image, prefetch or frame. */
export function isNavigation(req: Request): boolean {
  if (isDeclaredNonNavigation(req)) return false;
  const mode = req.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  // Without Sec-Fetch headers: a navigation accepts text/html, a script accepts */* or JSON.
  return req.get('accept')?.includes('text/html') === true;
}

/**
 * Whether a browser declares that the request is not a page navigation, but an image, script,
 * fetch, frame or prefetch. False for clients that declare nothing, such as curl, and for Node's
 * fetch, which sends only a mode: browsers send the destination as well.
 */
export function isDeclaredNonNavigation(req: Request): boolean {
  const { 'sec-fetch-mode': mode = 'navigate', 'sec-fetch-dest': dest } = req.headers;
  // A service worker that forwards a navigation leaves the destination empty.
  const isPage = dest === 'document' || dest === 'empty';
  const isDeclared = dest !== undefined && !(isPage && mode === 'navigate');
  return isDeclared || isPrefetch(req);
}

// The headers by which browsers have announced a prefetch; the last two are Firefox's and Safari's.
const PREFETCH_HEADERS = ['sec-purpose', 'purpose', 'x-moz', 'x-purpose'];

/** Whether the browser fetches ahead of a click that may never come. */
export function isPrefetch(req: Request): boolean {
  return PREFETCH_HEADERS.some((name) => /prefetch|prerender|preview/i.test(req.get(name) ?? ''));
}
