// Which scopes a request is about, and which audience its access token gets. AuthKit puts the requested
// resource there (RFC 8707), else the client id of the environment, never that of the application.

import type { KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import { InvalidScope, InvalidTarget } from 'oidc-provider/lib/helpers/errors.js';
import { BUILT_IN_SCOPES, isKnownScope, type Environment } from './environment.ts';
import { PERMISSIONS } from './people.ts';

/** Stands for "no resource asked for": oidc-provider wants a URI where AuthKit has a client id. */
export const ENVIRONMENT_RESOURCE = 'urn:local-authkit:environment';

/**
 * Runs once per authorization request, in place of oidc-provider's rules: `offline_access` needs no
 * prompt, an unknown scope is an error, no scope at all means `openid`.
 */
export function settleScope(ctx: KoaContextWithOIDC): void {
  const { route, params = {} } = ctx.oidc;
  const asked = route === 'authorization' ? ctx.query['scope'] : params['scope'];
  const scopes = new Set((typeof asked === 'string' ? asked : 'openid').split(' '));
  scopes.delete('');
  for (const scope of scopes) {
    if (!isKnownScope(scope)) throw new InvalidScope('unknown scope');
  }
  params['scope'] = [...scopes].join(' ');
}

/** The audience of the access token, and the scopes that may be in it. */
export function describeResource(
  environment: Environment,
  ctx: KoaContextWithOIDC,
  resource: string,
): ResourceServer {
  const { clientId, resources } = environment;
  const { params = {} } = ctx.oidc;
  const isMachine = params['grant_type'] === 'client_credentials';
  const isOwn =
    resource === ENVIRONMENT_RESOURCE ||
    resources.length === 0 ||
    isMachine ||
    // Without `resource` on the refresh, AuthKit falls back to the environment's client id.
    (params['grant_type'] === 'refresh_token' && params['resource'] === undefined);
  if (!isOwn && !resources.includes(resource)) throw new InvalidTarget();
  const scopes = isMachine
    ? (environment.findApplication(ctx.oidc.client?.clientId)?.permissions ?? [])
    : [...Object.keys(BUILT_IN_SCOPES), ...PERMISSIONS];
  if (isMachine) {
    for (const scope of ctx.oidc.requestParamScopes) {
      if (!scopes.includes(scope)) throw new InvalidScope('unknown scope');
    }
  }
  return {
    audience: isOwn ? clientId : resource,
    scope: scopes.join(' '),
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}
