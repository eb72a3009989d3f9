// An API with one route for each guard of src/bearer, over a test issuer.

import { LRUCache } from 'lru-cache';
import {
  bearerErrorHandler,
  currentAccessToken,
  Issuer,
  requireAccessToken,
  requireOrganization,
  requireScope,
} from '../../../src/bearer/index.ts';
import type { AccessToken, BearerEvent } from '../../../src/bearer/index.ts';
import { newApp, serve } from './bearer-app.ts';
import type { Running } from './bearer-app.ts';
import { audience, startIssuer } from '../authkit/issuer.ts';
import type { TestIssuer } from '../authkit/issuer.ts';

export const resourceMetadata = 'https://api.example.com/.well-known/oauth-protected-resource';

export interface CheckedApi extends Running {
  issuer: TestIssuer;
  /** The issuer object that all guards share. */
  keys: Issuer;
  events: BearerEvent[];
  remembered: LRUCache<string, AccessToken>;
}

/** Starts an issuer and an API that accepts its tokens. */
export async function startCheckedApi(): Promise<CheckedApi> {
  const issuer = await startIssuer();
  const events: BearerEvent[] = [];
  const log = (event: BearerEvent) => void events.push(event);
  const keys = new Issuer(issuer.url, { log });
  const remembered = new LRUCache<string, AccessToken>({ max: 1000 });
  const app = newApp();
  const guard = requireAccessToken({ issuer: keys, audience });
  app.all('/me', guard, (req, res) => res.json(currentAccessToken(req)));
  const remembering = { issuer: keys, audience, verifiedTokens: remembered };
  app.all('/remembered', requireAccessToken(remembering), (req, res) => {
    res.json(currentAccessToken(req));
  });
  app.get('/scopes', guard, requireScope('orders:read', 'profile'), (_req, res) => res.json({}));
  app.get('/organization', guard, requireOrganization(), (req, res) => {
    res.json(req.accessToken?.orgId);
  });
  app.get('/organization/1', guard, requireOrganization('org_1'), (_req, res) => res.json({}));
  app.get('/unguarded', requireScope('profile'), (_req, res) => res.json({}));
  const few = requireAccessToken({
    issuer: keys,
    audience,
    clientIds: ['client_cli', 'client_job'],
  });
  app.get('/few-clients', few, (_req, res) => res.json({}));
  // A misconfiguration by a developer who does not know which audience AuthKit uses.
  const loose = requireAccessToken({ issuer: keys, audience: [audience, 'client_app'] });
  app.get('/any-audience', loose, (_req, res) => res.json({}));
  const own = requireAccessToken({
    issuer: keys,
    audience: [audience, 'client_app'],
    idTokenAudience: 'client_app',
  });
  app.get('/own-application', own, (_req, res) => res.json({}));
  app.use(bearerErrorHandler({ resourceMetadata, log }));
  const running = await serve(app);
  const close = async () => {
    await Promise.all([running.close(), issuer.close()]);
  };
  return { ...running, close, issuer, keys, events, remembered };
}

export function nowPlus(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
