// A page about the user must not stay in a cache that the browser's next user can read.
import type { RequestHandler } from 'express';

/** Keeps the response out of all caches (RFC 9111 §5.2.2.5). */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};
