// What a browser wants with a request, as far as it says: to show a page, or something else.
import type { Request } from 'express';

/** Whether a browser wants to show the response as a page, and not a script, prefetch or frame. */
export function isNavigation(req: Request): boolean {
  if (isPrefetch(req)) return false;
  const mode = req.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  // Browsers without Sec-Fetch ask for HTML by name when they navigate, scripts for */* or JSON.
  return req.get('accept')?.includes('text/html') === true;
}

/** Whether the browser only fetches ahead of a click that may never come. */
export function isPrefetch(req: Request): boolean {
  return /prefetch|prerender/.test(req.get('sec-purpose') ?? req.get('purpose') ?? '');
}
