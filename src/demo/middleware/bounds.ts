// Limits the size of a request before anything parses it. The server limits headers
// (process/start.ts); each route that reads a body limits its size.
import type { RequestHandler } from 'express';
import { PageError } from '../errors.ts';

const MAX_URL_LENGTH = 8_192;

/** Refuses a URL longer than 8 kB. @throws PageError `url_too_long` */
export const boundUrl: RequestHandler = (req, _res, next) => {
  next(req.originalUrl.length > MAX_URL_LENGTH ? new PageError('url_too_long') : undefined);
};
