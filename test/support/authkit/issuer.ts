// A small issuer over real HTTP with real keys, as src/bearer meets it in production, with switches
// for faults. It signs any claims and headers, well-formed or not.

import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK, JWTHeaderParameters, JWTPayload } from 'jose';

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: JWK;
}

export interface IntrospectionCall {
  authorization: string | undefined;
  form: URLSearchParams;
}

export interface TestIssuer {
  /** The issuer identifier. */
  url: string;
  /** Where it listens: the same, unless it was started under a name of its own. */
  address: string;
  /** The signing key; published from the start. */
  key: SigningKey;
  published: JWK[];
  /** The number of requests to each path. */
  hits: Map<string, number>;
  /** Replaces the response of a path; undefined restores the normal one. */
  respondAt(path: string, listener: RequestListener | undefined): void;
  /** Handlers that take precedence at their path while they are set. */
  faults: Map<string, RequestListener>;
  introspections: IntrospectionCall[];
  /** The introspection response about a token; default: active, with the token's own claims. */
  introspect(claims: JWTPayload): Record<string, unknown>;
  claims(extra?: Record<string, unknown>): JWTPayload;
  sign(
    extra?: Record<string, unknown>,
    header?: Partial<JWTHeaderParameters>,
    key?: SigningKey,
  ): Promise<string>;
  /** Drops every connection, like a host that is down. */
  setDown(down: boolean): void;
  close(): Promise<void>;
}

export const audience = 'client_environment';
/** As AuthKit lists them. */
export const AUTH_METHODS = ['none', 'client_secret_basic', 'client_secret_post'];
let keyCount = 0;
let firstKey: Promise<SigningKey> | undefined;

/** Makes an RSA key pair with a key id like AuthKit's. */
export async function makeKey(): Promise<SigningKey> {
  const pair = await generateKeyPair('RS256', { extractable: true });
  const kid = `sso_oidc_key_pair_${String((keyCount += 1)).padStart(26, '0')}`;
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg: 'RS256', use: 'sig' };
  return { kid, ...pair, jwk };
}

/** Starts an issuer on a free loopback port; `origin` is its name if a proxy leads to it. */
export async function startIssuer(origin?: string): Promise<TestIssuer> {
  firstKey ??= makeKey(); // a new key takes half a second
  const key = await firstKey;
  const replaced = new Map<string, RequestListener>();
  let isDown = false;
  const server = createServer((req, res) => {
    const path = new URL(req.url ?? '/', 'http://issuer').pathname;
    issuer.hits.set(path, (issuer.hits.get(path) ?? 0) + 1);
    if (isDown) req.socket.destroy();
    else (issuer.faults.get(path) ?? replaced.get(path) ?? normal[path] ?? notFound)(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = server.address();
  const address = `http://127.0.0.1:${typeof own === 'object' ? own?.port : ''}`;
  const url = origin ?? address;
  const issuer: TestIssuer = {
    url,
    address,
    key,
    published: [key.jwk],
    hits: new Map(),
    faults: new Map(),
    introspections: [],
    introspect: (claims) => ({ active: true, token_type: 'access_token', ...claims }),
    respondAt: (path, listener) =>
      void (listener === undefined ? replaced.delete(path) : replaced.set(path, listener)),
    claims: (extra) => ({ ...defaultClaims(url), ...extra }),
    sign: (extra, header, by = issuer.key) =>
      new SignJWT(issuer.claims(extra))
        .setProtectedHeader({ alg: 'RS256', kid: by.kid, ...header })
        .sign(by.privateKey),
    setDown: (down) => {
      isDown = down;
      if (down) server.closeAllConnections();
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const normal: Record<string, RequestListener> = {
    '/.well-known/openid-configuration': (_req, res) =>
      json(res, {
        issuer: url,
        jwks_uri: `${url}/oauth2/jwks`,
        introspection_endpoint: `${url}/oauth2/introspection`,
        token_endpoint_auth_methods_supported: AUTH_METHODS,
      }),
    '/oauth2/jwks': (_req, res) => json(res, { keys: issuer.published }),
    '/oauth2/introspection': (req, res) => void introspect(issuer, req, res),
  };
  return issuer;
}

/** The claims of a user's AuthKit access token (no typ in the header, ULID as jti). */
function defaultClaims(iss: string): JWTPayload {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss,
    aud: audience,
    sub: 'user_01',
    client_id: 'client_cli',
    sid: 'app_consent_01',
    jti: '01JP8Z0000000000000000000A',
    scope: 'openid profile',
    iat: now,
    exp: now + 300,
  };
}

async function introspect(issuer: TestIssuer, req: IncomingMessage, res: ServerResponse) {
  const form = new URLSearchParams(await text(req));
  issuer.introspections.push({ authorization: req.headers.authorization, form });
  const payload = (form.get('token') ?? '').split('.')[1] ?? '';
  json(res, issuer.introspect(JSON.parse(Buffer.from(payload, 'base64url').toString())));
}

export function json(res: ServerResponse, body: unknown, status = 200): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const notFound: RequestListener = (_req, res) => json(res, { error: 'not_found' }, 404);
