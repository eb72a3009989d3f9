// Bounds on what a request may bring, before anything looks at it. Headers are bounded by the
// server (process/start.ts), bodies by the one route that reads one.
import type { RequestHandler } from 'express';
import { PageError } from '../errors.ts';

const LONGEST_URL = 8_192;

/** Refuses an address of more than 8 kB. @throws PageError `url_too_long` */
export const boundUrl: RequestHandler = (req, _res, next) => {
  next(req.originalUrl.length > LONGEST_URL ? new PageError('url_too_long') : undefined);
};
