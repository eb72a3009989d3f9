// An issuer that signs every user in without a screen, over real HTTP and with real keys, and whose
// responses a test can vary beyond what the well-behaved local AuthKit allows.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { JWTHeaderParameters } from 'jose';
import { AUTH_METHODS, json, startIssuer, type SigningKey, type TestIssuer } from './issuer.ts';

export const CLIENT_ID = 'client_of_the_tests';

type Values = Record<string, unknown>;

/** The differences from a good sign-in; undefined removes a member. */
export interface Variation {
  metadata?: Values;
  /** Parameters of the redirect to the callback. */
  redirect?: Record<string, string>;
  idToken?: Values;
  idTokenHeader?: Partial<JWTHeaderParameters>;
  idTokenKey?: SigningKey;
  /** Changes the good ID token. */
  mangle?: (idToken: string) => string | Promise<string>;
  accessToken?: Values;
  /** Replaces the token endpoint. */
  token?: RequestListener;
  /** Members of the token response. */
  response?: Values;
  userInfo?: Values | RequestListener;
}

export interface SignInIssuer extends TestIssuer {
  vary: Variation;
  /** The bodies of the token requests, and the queries of the authorization requests. */
  exchanges: URLSearchParams[];
  authorizations: URLSearchParams[];
  /** Settings that make the app a client of this issuer. */
  env: Record<string, string>;
}

/** Starts one on a free loopback port; `origin` is its name if a proxy leads to it. */
export async function startSignInIssuer(origin?: string): Promise<SignInIssuer> {
  const issuer = await startIssuer(origin);
  const { url } = issuer;
  const env = {
    AUTHKIT_ISSUER: url,
    OAUTH_APP_CLIENT_ID: CLIENT_ID,
    OAUTH_APP_CLIENT_SECRET: 'a-client-secret-of-the-tests',
    API_AUDIENCE: CLIENT_ID,
  };
  const own = { vary: {}, exchanges: [], authorizations: [], env };
  const self: SignInIssuer = Object.assign(issuer, own);
  issuer.respondAt('/.well-known/openid-configuration', (_req, res) =>
    json(res, {
      issuer: url,
      authorization_endpoint: `${url}/oauth2/authorize`,
      token_endpoint: `${url}/oauth2/token`,
      userinfo_endpoint: `${url}/oauth2/userinfo`,
      jwks_uri: `${url}/oauth2/jwks`,
      id_token_signing_alg_values_supported: ['RS256'],
      token_endpoint_auth_methods_supported: AUTH_METHODS,
      ...self.vary.metadata,
    }),
  );
  issuer.respondAt('/oauth2/authorize', (req, res) => authorize(self, req, res));
  issuer.respondAt('/oauth2/token', (req, res) => {
    if (self.vary.token) self.vary.token(req, res);
    else void exchange(self, req, res);
  });
  issuer.respondAt('/oauth2/userinfo', (req, res) => {
    const { userInfo } = self.vary;
    if (typeof userInfo === 'function') userInfo(req, res);
    else json(res, { sub: 'user_01', ...userInfo });
  });
  return self;
}

function authorize(issuer: SignInIssuer, req: IncomingMessage, res: ServerResponse): void {
  const query = new URL(req.url ?? '', issuer.url).searchParams;
  const number = issuer.authorizations.push(query);
  const back = new URL(query.get('redirect_uri') ?? '');
  const state = query.get('state');
  const parameters = { code: `code-${number}`, ...(state !== null && { state }) };
  for (const [name, value] of Object.entries({ ...parameters, ...issuer.vary.redirect })) {
    back.searchParams.set(name, value);
  }
  res.writeHead(302, { location: back.href }).end();
}

async function exchange(
  issuer: SignInIssuer,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { vary, authorizations, exchanges } = issuer;
  const form = new URLSearchParams(await text(req));
  exchanges.push(form);
  const number = Number(form.get('code')?.replace('code-', ''));
  const nonce = authorizations[number - 1]?.get('nonce');
  const claims = {
    aud: CLIENT_ID,
    nonce,
    name: 'Nora Test',
    email: 'nora@example.com',
    ...vary.idToken,
  };
  const idToken = await issuer.sign(claims, vary.idTokenHeader, vary.idTokenKey);
  json(res, {
    // As at AuthKit, for the same subject as the ID token.
    access_token: await issuer.sign({
      ...(typeof vary.idToken?.['sub'] === 'string' && { sub: vary.idToken['sub'] }),
      ...vary.accessToken,
    }),
    token_type: 'bearer',
    expires_in: 300,
    refresh_token: 'a-refresh-token',
    id_token: (await vary.mangle?.(idToken)) ?? idToken,
    ...vary.response,
  });
}
