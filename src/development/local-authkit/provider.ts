// Configures oidc-provider to behave like AuthKit. Where configuration is not enough, our own
// handlers run before it (app.ts) and its responses are corrected (responses.ts).

import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { base, Check, Prompt } from 'oidc-provider/lib/helpers/interaction_policy/index.js';
import { Provider } from 'oidc-provider/lib/provider.js';
import { accessTokenFormat } from './access-token.ts';
import { createAdapterFactory } from './adapter.ts';
import { hasSecret, toClientMetadata } from './applications.ts';
import { describeResource, ENVIRONMENT_RESOURCE, settleScope } from './audience.ts';
import { decide, GRANT_SECONDS, grantAuthorization } from './consents.ts';
import { deviceScreens } from './device.ts';
import { BUILT_IN_SCOPES, type Environment } from './environment.ts';
import { redirectToErrorPage } from './error-page.ts';
import { claimsOf } from './people.ts';
import { respondAsAuthKit } from './responses.ts';
import { showError } from './screens.ts';

const DAY = 86_400;

/** Returns an oidc-provider on the environment's state; create a new one when the keys change. */
export function createProvider(environment: Environment): Provider {
  const { issuer, state, applications, redirectUris, backchannelLogoutUri } = environment;
  const provider = new Provider(issuer, {
    adapter: createAdapterFactory(state, environment.replaySeconds),
    clients: Object.values(applications).map((each) =>
      toClientMetadata(each, redirectUris, backchannelLogoutUri),
    ),
    jwks: {
      keys: state.signingKeys.map(({ kid, jwk }) => ({ ...jwk, kid, alg: 'RS256', use: 'sig' })),
    },
    routes: {
      authorization: '/oauth2/authorize',
      token: '/oauth2/token',
      device_authorization: '/oauth2/device_authorization',
      code_verification: '/oauth2/device',
    },
    // oidc-provider's dispatcher refuses loopback addresses, where the app listens.
    fetch(url, options) {
      const { dispatcher: _, ...others } = options ?? {};
      return fetch(url, others);
    },
    features: {
      ...Object.fromEntries(UNUSED_FEATURES.map((name) => [name, { enabled: false }])),
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: environment.backchannelLogoutUri !== undefined },
      deviceFlow: { enabled: true, ...deviceScreens(environment) },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf?.[0] ?? ENVIRONMENT_RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => describeResource(environment, ctx, resource),
      },
    },
    ...tokenRules(environment),
    ...screenRules(environment),
  });
  provider.Client.prototype.compareClientSecret = function compareClientSecret(secret) {
    const application = environment.findApplication(this.clientId);
    return application !== undefined && hasSecret(application, secret);
  };
  provider.use(respondAsAuthKit(environment));
  return provider;
}

/** Not supported, or implemented by our own handlers. */
const UNUSED_FEATURES = [
  'devInteractions',
  'dPoP',
  'introspection',
  'pushedAuthorizationRequests',
  'revocation',
  'rpInitiatedLogout',
  'userinfo',
];

function tokenRules(environment: Environment): Configuration {
  return {
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    clientBasedCORS: () => false,
    clockTolerance: 0,
    responseTypes: ['code'],
    allowOmittingSingleRegisteredRedirectUri: false,
    scopes: Object.keys(BUILT_IN_SCOPES),
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => {
      const person = environment.findPerson(sub);
      return person && { accountId: sub, claims: () => claimsOf(person) };
    },
    formats: accessTokenFormat(environment),
    // Tokens outlive the session at AuthKit, and a session holds only one grant per application.
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    ttl: {
      AccessToken: () => environment.accessTokenSeconds,
      AuthorizationCode: 60,
      ClientCredentials: 3600,
      DeviceCode: 300,
      Grant: GRANT_SECONDS,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: GRANT_SECONDS,
      Session: 14 * DAY,
    },
  };
}

function screenRules(environment: Environment): Configuration {
  const { state } = environment;
  const policy = base();
  policy.remove('consent');
  for (const question of ['organization', 'consent'] as const) {
    const isPending = (ctx: KoaContextWithOIDC) => decide(environment, ctx)?.question === question;
    const details = (ctx: KoaContextWithOIDC) => ({ scopes: decide(environment, ctx)?.scopes });
    const check = new Check(`${question}_open`, `${question} is needed`, isPending, details);
    policy.add(new Prompt({ name: question }, check));
  }
  return {
    interactions: { policy, url: (_ctx, { uid }) => `/oauth2/interaction/${uid}` },
    loadExistingGrant: (ctx) => grantAuthorization(environment, ctx),
    extraParams: { known_scopes: settleScope },
    renderError: async (ctx, { error }) =>
      ctx.path === '/oauth2/authorize'
        ? redirectToErrorPage(ctx, error, environment)
        : showError(ctx, error),
    cookies: {
      keys: [state.secret('cookies')],
      // Cookies ignore the port: distinct names and a path keep them apart from the application's.
      names: {
        session: 'local_authkit_session',
        interaction: 'local_authkit_interaction',
        resume: 'local_authkit_resume',
      },
      long: { signed: true, httpOnly: true, sameSite: 'lax', path: '/oauth2' },
      short: { signed: true, httpOnly: true, sameSite: 'lax' },
    },
  };
}
