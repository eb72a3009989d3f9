// Corrects oidc-provider's responses. AuthKit's token response has the token type `bearer` and no
// `scope`, and its authorization response has no `iss`. Its errors at the token endpoint differ too.

import type { KoaContextWithOIDC } from 'oidc-provider';
import { CHALLENGE } from './client-authentication.ts';
import { paceDevice } from './device.ts';
import type { Environment } from './environment.ts';

async function correctTokenResponse(
  environment: Environment,
  ctx: KoaContextWithOIDC,
): Promise<void> {
  const body: unknown = ctx.body;
  if (typeof body !== 'object' || body === null) return;
  if ('access_token' in body) Object.assign(body, { token_type: 'bearer', scope: undefined });
  if (!('error' in body)) return;
  if (body.error === 'invalid_request' && isAnonymous(ctx)) {
    ctx.status = 401;
    body.error = 'invalid_client';
  } else if (body.error === 'invalid_request' && isForbiddenGrantType(ctx)) {
    body.error = 'unauthorized_client';
  } else if (body.error === 'invalid_grant' && (await isUnknownCode(environment, ctx))) {
    body.error = 'invalid_code';
  }
}

/** Whether the request names no client (RFC 6749 §5.2: "no client authentication included"). */
function isAnonymous(ctx: KoaContextWithOIDC): boolean {
  const { params } = ctx.oidc;
  return params !== undefined && params['client_id'] === undefined && !ctx.get('authorization');
}

/** Whether the client may not use the grant type that it asks for (RFC 6749 §5.2). */
function isForbiddenGrantType({ oidc: { client, params } }: KoaContextWithOIDC): boolean {
  const grantType = params?.['grant_type'];
  return typeof grantType === 'string' && client?.grantTypeAllowed(grantType) === false;
}

/** Whether a Public application sent a code that does not exist, or no longer. */
async function isUnknownCode(environment: Environment, ctx: KoaContextWithOIDC): Promise<boolean> {
  const { client, params, provider } = ctx.oidc;
  if (params?.['grant_type'] !== 'authorization_code') return false;
  if (environment.findApplication(client?.clientId)?.secrets.length !== 0) return false;
  const code = String(params['code']);
  return !(await provider.AuthorizationCode.find(code, { ignoreExpiration: true }));
}

/** Middleware that wraps oidc-provider's own. */
export function respondAsAuthKit(environment: Environment) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    const location = URL.parse(ctx.response.get('location'));
    if (location?.searchParams.get('iss') === environment.issuer) {
      location.searchParams.delete('iss');
      ctx.redirect(location.href);
    }
    if (ctx.path === '/oauth2/token') await correctTokenResponse(environment, ctx);
    // Only a client that does not authenticate gets this status from oidc-provider here.
    if (ctx.status === 401) ctx.set('www-authenticate', CHALLENGE);
    paceDevice(ctx);
  };
}
