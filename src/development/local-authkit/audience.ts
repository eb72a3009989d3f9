// Determines the scopes of a request and the audience of its access token: the requested resource
// (RFC 8707), else the client id of the environment, as at AuthKit, never that of the application.

import type { KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import { InvalidScope, InvalidTarget } from 'oidc-provider/lib/helpers/errors.js';
import { BUILT_IN_SCOPES, isKnownScope, type Environment } from './environment.ts';
import { PERMISSIONS } from './people.ts';

/** Means "no resource requested": oidc-provider needs a URI where AuthKit uses a client id. */
export const ENVIRONMENT_RESOURCE = 'urn:local-authkit:environment';

/**
 * Runs once per authorization request and replaces oidc-provider's rules: `offline_access` needs no
 * prompt, an unknown scope is an error, and a missing scope means `openid`.
 */
export function settleScope(ctx: KoaContextWithOIDC): void {
  const { route, params = {} } = ctx.oidc;
  const requested = route === 'authorization' ? ctx.query['scope'] : params['scope'];
  const scopes = new Set((typeof requested === 'string' ? requested : 'openid').split(' '));
  scopes.delete('');
  for (const scope of scopes) {
    if (!isKnownScope(scope)) throw new InvalidScope('unknown scope');
  }
  params['scope'] = [...scopes].join(' ');
}

/** Returns the audience of the access token and the scopes it may contain. */
export function describeResource(
  environment: Environment,
  ctx: KoaContextWithOIDC,
  resource: string,
): ResourceServer {
  const { clientId, resources } = environment;
  const { params = {} } = ctx.oidc;
  const isMachine = params['grant_type'] === 'client_credentials';
  const isForEnvironment =
    resource === ENVIRONMENT_RESOURCE ||
    resources.length === 0 ||
    isMachine ||
    // Without `resource` on the refresh, AuthKit falls back to the environment's client id.
    (params['grant_type'] === 'refresh_token' && params['resource'] === undefined);
  if (!isForEnvironment && !resources.includes(resource)) throw new InvalidTarget();
  const scopes = isMachine
    ? (environment.findApplication(ctx.oidc.client?.clientId)?.permissions ?? [])
    : [...Object.keys(BUILT_IN_SCOPES), ...PERMISSIONS];
  if (isMachine) {
    for (const scope of ctx.oidc.requestParamScopes) {
      if (!scopes.includes(scope)) throw new InvalidScope('unknown scope');
    }
  }
  return {
    audience: isForEnvironment ? clientId : resource,
    scope: scopes.join(' '),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}
