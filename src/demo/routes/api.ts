// The API of the demo, which other Connect applications call: every answer is JSON and none is
// stored. The guards are in src/bearer; `findUser` is the seam to your own directory of users.
import { Router } from 'express';
import type { ErrorRequestHandler, IRouter, RequestHandler } from 'express';
import { LRUCache } from 'lru-cache';
import {
  BearerError,
  bearerErrorHandler,
  createIntrospection,
  currentAccessToken,
  metadataUrlOf,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  requireAccessToken,
  requireActiveToken,
  requireOrganization,
} from '../../bearer/index.ts';
import type { AccessToken, BearerEvent, Issuer } from '../../bearer/index.ts';
import { noStore } from '../middleware/no-store.ts';
import { allowOrigins } from './cross-origin.ts';

/** What the directory tells about a user. */
export interface DirectoryEntry {
  name?: string | undefined;
  email?: string | undefined;
}

export interface ApiOptions {
  issuer: Issuer;
  audience: readonly string[];
  /** How this app introspects, and the audience of its ID tokens, which are no access tokens. */
  clientId: string;
  /** Without one (a Public application) it cannot introspect. */
  clientSecret?: string | undefined;
  clientAuthentication?: 'body' | 'basic';
  /** The app's own origin, as BASE_URL. */
  baseUrl: string;
  /** The resource indicator asked for at sign-in: has a document here where it lies on this origin. */
  resource?: string | undefined;
  findUser: (sub: string) => Promise<DirectoryEntry | null>;
  /** Sees each refused call before it is answered: a rate limit may turn it into 429. */
  refused?: ErrorRequestHandler;
  /** Stands before each introspection: whom it stops costs AuthKit nothing. */
  beforeAsking?: RequestHandler;
  /** Origins whose pages may call the API from a browser; default: none. */
  allowedOrigins?: readonly string[];
  log?: (event: BearerEvent) => void;
}

/** Adds /api/me, /api/me/active, /api/organization and the RFC 9728 documents to the app. */
export function addApi(app: IRouter, options: ApiOptions): void {
  const { issuer, audience, findUser, log = () => {} } = options;
  const verifiedTokens = new LRUCache<string, AccessToken>({ max: 10_000 });

  const api = Router();
  api.use(noStore, allowOrigins(options.allowedOrigins ?? []));
  api.all(['/me', '/me/active', '/organization'], onlyGet);
  const guard = requireAccessToken({
    // The same tolerance as sign-in has: a clock that lets people in must not refuse their tokens.
    clockToleranceSeconds: 30,
    issuer,
    audience,
    idTokenAudience: options.clientId,
    verifiedTokens,
  });
  const describe: RequestHandler = async (req, res) => {
    const token = currentAccessToken(req);
    res.json(describeCaller(token, token.isMachine ? null : await findUser(token.sub)));
  };
  api.get('/me', guard, describe);
  api.get('/me/active', guard, ...stillActive(options), describe);
  api.get('/organization', guard, requireOrganization(), (req, res) => {
    const { orgId, sub } = currentAccessToken(req);
    res.json({ org_id: orgId, sub });
  });
  api.use((_req, res) => {
    res.status(404).json({ error: 'not_found', error_description: 'There is nothing here' });
  });
  if (options.refused !== undefined) api.use(options.refused);
  api.use(bearerErrorHandler({ resourceMetadata: metadataUrlOf(options.baseUrl), log }));

  addMetadata(app, options);
  app.use('/api', api);
}

/**
 * The RFC 9728 documents: of the resource indicator where it lies on this origin, of the origin, and of
 * each URL below. A client takes only the one that names the URL it called (§3.3).
 */
function addMetadata(app: IRouter, options: ApiOptions): void {
  const { issuer, baseUrl, resource: indicator } = options;
  const describe = (resource: string) => protectedResourceMetadata({ resource, issuer });
  const { pathname: root } = protectedResourceMetadataUrl(baseUrl);
  app.use(root, allowOrigins(options.allowedOrigins ?? []));
  if (indicator !== undefined && isAt(baseUrl, indicator)) app.use(describe(indicator));
  app.use(describe(baseUrl));
}

/**
 * What /api/me says about the caller; absent values are null, so that each member is always there.
 * Name and e-mail only with the scopes the user granted for them: every application of the
 * environment has tokens for this audience, also one that was granted `openid` alone.
 */
function describeCaller(token: AccessToken, user: DirectoryEntry | null) {
  return {
    sub: token.sub,
    client_id: token.clientId ?? null,
    org_id: token.orgId ?? null,
    scopes: token.scopes,
    expires_at: token.expiresAt,
    machine: token.isMachine,
    user: user && {
      name: token.scopes.includes('profile') ? (user.name ?? null) : null,
      email: token.scopes.includes('email') ? (user.email ?? null) : null,
    },
  };
}

function stillActive({ clientSecret, beforeAsking, ...options }: ApiOptions): RequestHandler[] {
  if (!clientSecret) return [introspectionUnsupported];
  const ask = requireActiveToken(createIntrospection({ ...options, clientSecret }));
  return beforeAsking ? [beforeAsking, ask] : [ask];
}

const introspectionUnsupported: RequestHandler = () => {
  const message = 'This app is a Public application: it has no secret to introspect tokens with';
  throw new BearerError('introspection_unsupported', message);
};

const isAt = (origin: string, resource: string) =>
  URL.canParse(resource) && new URL(resource).origin === new URL(origin).origin;

const onlyGet: RequestHandler = (req, res, next) => {
  if (req.method === 'GET' || req.method === 'HEAD') {
    next();
    return;
  }
  res.status(405).set('Allow', 'GET, HEAD');
  res.json({ error: 'method_not_allowed', error_description: 'Only GET is answered here' });
};
