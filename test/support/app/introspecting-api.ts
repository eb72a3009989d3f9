// An API over src/bearer that introspects each access token at a test issuer.

import type { RequestHandler } from 'express';
import {
  bearerErrorHandler,
  createIntrospection,
  Issuer,
  requireAccessToken,
  requireActiveToken,
} from '../../../src/bearer/index.ts';
import type { BearerEvent, IntrospectionOptions } from '../../../src/bearer/index.ts';
import { audience, startIssuer } from '../authkit/issuer.ts';
import type { TestIssuer } from '../authkit/issuer.ts';
import { callWith, newApp, serve } from './bearer-app.ts';
import type { Running } from './bearer-app.ts';

export const introspectionPath = '/oauth2/introspection';
export const clientSecret = 'planted secret: +&=%';

export interface IntrospectingApi extends Running {
  issuer: TestIssuer;
  events: BearerEvent[];
  /** The number of calls whose token passed verification and went on to introspection. */
  verified(): number;
  /** The status of a call with this token. */
  status(token: string): Promise<number>;
}

/** Starts an issuer and the API. */
export async function startIntrospectingApi(
  options: Partial<IntrospectionOptions> = {},
): Promise<IntrospectingApi> {
  const issuer = await startIssuer();
  const events: BearerEvent[] = [];
  const log = (event: BearerEvent) => void events.push(event);
  const shared = new Issuer(issuer.url);
  const client = { clientId: 'client:app', clientSecret, log };
  const introspect = createIntrospection({ issuer: shared, ...client, ...options });
  let verified = 0;
  const count: RequestHandler = (_req, _res, next) => {
    verified += 1;
    next();
  };
  const app = newApp();
  const guard = requireAccessToken({ issuer: shared, audience });
  app.get('/', guard, count, requireActiveToken(introspect), (_req, res) => res.json({ ok: true }));
  app.use(bearerErrorHandler({ log }));
  const running = await serve(app);
  return {
    ...running,
    issuer,
    events,
    verified: () => verified,
    status: async (token) => (await callWith(running.url, token)).status,
    close: async () => {
      await Promise.all([running.close(), issuer.close()]);
    },
  };
}
