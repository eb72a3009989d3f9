// A strict OpenID provider that is not AuthKit: oidc-provider by its own rules, with one client, and
// a user who is signed in without a screen. At every endpoint, it accepts the one client
// authentication method that its client is registered for.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createLocalJWKSet, exportJWK, jwtVerify, type JWTPayload } from 'jose';
import type { ClientMetadata, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { Provider } from 'oidc-provider/lib/provider.js';
import { createAdapterFactory } from '../../../src/development/local-authkit/adapter.ts';
import { ExpiringMap } from '../../../src/development/local-authkit/expiring-map.ts';
import { makeKey, type SigningKey } from './issuer.ts';

/** The audience of the access tokens, which are JWTs. */
export const API = 'https://api.example.com';
const USER = { sub: 'user_01', name: 'Nora Test', email: 'nora@example.com' };
const STORED = ['Grant', 'IdToken', 'Interaction', 'RefreshToken', 'Session'];
const SCOPE = 'openid profile email offline_access';

type Middleware = Parameters<Provider['use']>[0];

export interface StrictOptions {
  client: ClientMetadata & { client_id: string };
  /** Changes the metadata; undefined removes a member. */
  metadata?: Record<string, unknown>;
  /** Changes the configuration of oidc-provider. */
  configuration?: Configuration;
  /** The path of the issuer, such as `/test/a/name/`; default: none. */
  path?: string;
  /** The private key and the certificate for https; default: http. */
  tls?: { key: string; cert: string };
  accessTokenSeconds?: number;
  port?: number;
}

export interface StrictProvider {
  issuer: string;
  /** Each accepted request with client authentication, as in `token by client_secret_basic`. */
  accepted: Set<string>;
  /** The grant types of the accepted token requests. */
  grants: string[];
  /** The access tokens, in the order of their issue. */
  accessTokens: string[];
  userInfoRequests: number;
  close(): Promise<void>;
}

let firstKey: Promise<SigningKey> | undefined;

/** Starts one on loopback. */
export async function startStrictProvider(options: StrictOptions): Promise<StrictProvider> {
  firstKey ??= makeKey(); // a new key takes half a second
  const key = await firstKey;
  const app = express().disable('x-powered-by');
  const server = options.tls ? createTlsServer(options.tls, app) : createServer(app);
  server.listen(options.port ?? 0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `http${options.tls ? 's' : ''}://localhost:${port}${options.path ?? ''}`;
  const self: StrictProvider = {
    issuer,
    accepted: new Set(),
    grants: [],
    accessTokens: [],
    userInfoRequests: 0,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  const provider = new Provider(issuer, await configurationOf(options, key));
  provider.Client.prototype.compareClientSecret = isSentAsRegistered;
  provider.use(recordRequests(self));
  provider.use(correctResponses(self, options, key));
  app.get('/interaction/:uid', signInUser(provider));
  app.use(options.path ?? '/', provider.callback());
  return self;
}

/** oidc-provider itself takes a secret by either method, whichever the client is registered for. */
function isSentAsRegistered(this: Provider['Client']['prototype'], secret: string): boolean {
  return secret === this.clientSecret && usedMethod(Provider.ctx) === this.clientAuthMethod;
}

async function configurationOf(options: StrictOptions, key: SigningKey): Promise<Configuration> {
  const { accessTokenSeconds = 300 } = options;
  const signingKey = { ...(await exportJWK(key.privateKey)), kid: key.kid, alg: 'RS256' };
  return {
    clients: [{ grant_types: ['authorization_code', 'refresh_token'], ...options.client }],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    jwks: { keys: [signingKey] },
    scopes: SCOPE.split(' '),
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...USER, sub }) }),
    loadExistingGrant: grantEverything,
    // It removes offline_access from a request without `prompt=consent` (OpenID Connect Core §11).
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    extraTokenClaims: () => ({ permissions: ['posts:moderate'] }),
    adapter: createAdapterFactory({ records: new ExpiringMap(() => undefined) }, 0),
    ttl: {
      ...Object.fromEntries(STORED.map((name) => [name, 3600])),
      AccessToken: accessTokenSeconds,
    },
    renderError: (ctx, { error }) => void (ctx.body = error),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    cookies: { keys: ['a-cookie-key-of-the-tests'] },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: SCOPE, audience: API, accessTokenFormat: 'jwt' }),
      },
    },
    ...options.configuration,
  };
}

async function grantEverything({ oidc }: KoaContextWithOIDC) {
  const { client, session, provider } = oidc;
  const grant = new provider.Grant({
    ...(client && { clientId: client.clientId }),
    ...(session?.accountId !== undefined && { accountId: session.accountId }),
  });
  grant.addOIDCScope(SCOPE);
  grant.addResourceScope(API, SCOPE);
  await grant.save();
  return grant;
}

const signInUser =
  (provider: Provider): express.RequestHandler =>
  (req, res) =>
    provider.interactionFinished(req, res, { login: { accountId: USER.sub } });

const recordRequests =
  ({ accepted, grants, accessTokens }: StrictProvider): Middleware =>
  async (ctx, next) => {
    await next();
    const { route, params } = (ctx as KoaContextWithOIDC).oidc ?? {};
    if (ctx.status !== 200 || !/^(?:token|introspection|revocation)$/.test(route ?? '')) return;
    accepted.add(`${route} by ${usedMethod(ctx as KoaContextWithOIDC)}`);
    if (route !== 'token') return;
    grants.push(String(params?.['grant_type']));
    accessTokens.push((ctx.body as { access_token: string }).access_token);
  };

function usedMethod(ctx: KoaContextWithOIDC | undefined) {
  const { client_assertion: assertion, client_secret: secret } = ctx?.oidc.params ?? {};
  if (ctx?.headers.authorization !== undefined) return 'client_secret_basic';
  if (assertion !== undefined) return 'private_key_jwt';
  return secret === undefined ? 'none' : 'client_secret_post';
}

/**
 * oidc-provider has no introspection and no UserInfo for access tokens that are JWTs. It refuses
 * them only after it has authenticated the client.
 */
function correctResponses(
  self: StrictProvider,
  { metadata }: StrictOptions,
  { jwk }: SigningKey,
): Middleware {
  const keys = createLocalJWKSet({ keys: [jwk] });
  const claimsOf = async (token: unknown): Promise<JWTPayload> =>
    (await jwtVerify(String(token), keys, { audience: API, clockTolerance: 30 })).payload;
  return async (ctx, next) => {
    await next();
    const { route, params } = (ctx as KoaContextWithOIDC).oidc ?? {};
    if (route === 'discovery') ctx.body = { ...(ctx.body as object), ...metadata };
    if (route === 'introspection' && Object(ctx.body).error === 'unsupported_token_type') {
      ctx.status = 200;
      ctx.body = { active: true, ...(await claimsOf(params?.['token'])) };
    }
    if (route === 'userinfo') {
      self.userInfoRequests += 1;
      const { sub } = await claimsOf(ctx.headers.authorization?.replace('Bearer ', ''));
      ctx.remove('WWW-Authenticate');
      ctx.status = 200;
      ctx.body = { ...USER, sub };
    }
  };
}
