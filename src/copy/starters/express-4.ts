// Express 4 ignores the rejection of an async handler, and Node then ends the process. This adds what
// Express 5 does. Import it before the app is created; drop it with Express 5.
import type { NextFunction, Request, Response } from 'express';
// @ts-ignore: Express 4 has no types for this file, and Express 5 does not have it.
import Layer from 'express/lib/router/layer.js';

interface AnyLayer {
  handle: (req: Request, res: Response, next: NextFunction) => unknown;
}

const { prototype } = Layer as { prototype: Record<string, unknown> };

prototype['handle_request'] = async function (
  this: AnyLayer,
  req: Request,
  res: Response,
  next: NextFunction,
): Promise<void> {
  if (this.handle.length > 3) return next();
  try {
    await this.handle(req, res, next);
  } catch (error) {
    next(error ?? new Error('rejected without a reason'));
  }
};
