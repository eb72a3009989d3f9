// What knows the user must not stay in a cache that the next user of this browser sees.
import type { RequestHandler } from 'express';

/** Keeps every answer behind it out of all caches (RFC 9111 §5.2.2.5). */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};
