// The API of the demo, which other Connect applications call. Every response is JSON and none is
// cached. The guards are in src/bearer; replace `findUser` with a query of your own user table.
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

/** What the user directory knows about a user. */
export interface DirectoryEntry {
  name?: string | undefined;
  email?: string | undefined;
}

export interface ApiOptions {
  issuer: Issuer;
  audience: readonly string[];
  /**
   * Authenticates introspection requests. It is also the audience of this app's ID tokens, which
   * must not pass as access tokens.
   */
  clientId: string;
  /** Absent for a Public application, which cannot introspect. */
  clientSecret?: string | undefined;
  clientAuthentication?: 'client_secret_post' | 'client_secret_basic';
  /** The app's own origin, as BASE_URL. */
  baseUrl: string;
  /** The resource indicator requested at sign-in; on this origin, its metadata is served here. */
  resource?: string | undefined;
  findUser: (sub: string) => Promise<DirectoryEntry | null>;
  /** Handles each refused call before the response: a rate limit may turn it into 429. */
  refused?: ErrorRequestHandler;
  /** Runs before each introspection: a request that it stops causes no request to AuthKit. */
  beforeIntrospection?: RequestHandler;
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
    // As tolerant as sign-in, so that users who can sign in do not have their tokens refused.
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
  api.get('/me/active', guard, ...activeTokenGuards(options), describe);
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
 * Serves the RFC 9728 documents of the resource indicator if it is on this origin, of the origin, and
 * of each URL below it. A client accepts only the document that names the URL it called (§3.3).
 */
function addMetadata(app: IRouter, options: ApiOptions): void {
  const { issuer, baseUrl, resource: indicator } = options;
  const describe = (resource: string) => protectedResourceMetadata({ resource, issuer });
  const { pathname: root } = protectedResourceMetadataUrl(baseUrl);
  app.use(root, allowOrigins(options.allowedOrigins ?? []));
  if (indicator !== undefined && isOnOrigin(baseUrl, indicator)) app.use(describe(indicator));
  app.use(describe(baseUrl));
}

/**
 * The response of /api/me; absent values are null, so that every member is always present. Name and
 * e-mail require the scopes that the user granted for them: every application of the environment
 * gets tokens for this audience, even if it was granted only `openid`.
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

function activeTokenGuards({
  clientSecret,
  beforeIntrospection,
  ...options
}: ApiOptions): RequestHandler[] {
  if (!clientSecret) return [introspectionUnsupported];
  const guard = requireActiveToken(createIntrospection({ ...options, clientSecret }));
  return beforeIntrospection ? [beforeIntrospection, guard] : [guard];
}

const introspectionUnsupported: RequestHandler = () => {
  const message = 'This app is a Public application and has no secret to introspect tokens with';
  throw new BearerError('introspection_unsupported', message);
};

const isOnOrigin = (origin: string, resource: string) =>
  URL.canParse(resource) && new URL(resource).origin === new URL(origin).origin;

const onlyGet: RequestHandler = (req, res, next) => {
  if (req.method === 'GET' || req.method === 'HEAD') {
    next();
    return;
  }
  res.status(405).set('Allow', 'GET, HEAD');
  res.json({ error: 'method_not_allowed', error_description: 'Only GET is allowed here' });
};
