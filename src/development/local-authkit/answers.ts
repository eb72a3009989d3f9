// Last corrections to what oidc-provider answers (authkit.md sections 3 and 15).

import type { KoaContextWithOIDC } from 'oidc-provider';
import { paceDevice } from './device.ts';
import type { Environment } from './environment.ts';

/** `bearer` without `scope`; a grant type that the application may not use has its own error. */
function correctTokenAnswer(ctx: KoaContextWithOIDC): void {
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

/** Removes `iss` from redirects, which AuthKit does not send, and corrects other answers. */
export function answerAsAuthKit({ issuer }: Environment) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    await next();
    const location = URL.parse(ctx.response.get('location'));
    if (location?.searchParams.get('iss') === issuer) {
      location.searchParams.delete('iss');
      ctx.redirect(location.href);
    }
    if (ctx.path === '/oauth2/token') correctTokenAnswer(ctx);
    paceDevice(ctx);
  };
}
