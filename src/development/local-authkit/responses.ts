// Corrects oidc-provider's responses. AuthKit's token response has the token type `bearer` and no
// `scope`, and its authorization response has no `iss`.

import type { KoaContextWithOIDC } from 'oidc-provider';
import { paceDevice } from './device.ts';
import type { Environment } from './environment.ts';

/** A grant type not allowed for the client is `unauthorized_client` (RFC 6749 §5.2). */
function correctTokenResponse(ctx: KoaContextWithOIDC): void {
  const body: unknown = ctx.body;
  if (typeof body !== 'object' || body === null) return;
  if ('access_token' in body) Object.assign(body, { token_type: 'bearer', scope: undefined });
  if (!('error' in body) || body.error !== 'invalid_request') return;
  const { client, params } = ctx.oidc;
  const grantType = params?.['grant_type'];
  if (client && typeof grantType === 'string' && !client.grantTypeAllowed(grantType)) {
    Object.assign(body, { error: 'unauthorized_client' });
  }
}

/** Middleware that wraps oidc-provider's own. */
export function respondAsAuthKit({ issuer }: Environment) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    const location = URL.parse(ctx.response.get('location'));
    if (location?.searchParams.get('iss') === issuer) {
      location.searchParams.delete('iss');
      ctx.redirect(location.href);
    }
    if (ctx.path === '/oauth2/token') correctTokenResponse(ctx);
    paceDevice(ctx);
  };
}
