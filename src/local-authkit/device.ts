// The screens of device authorization (RFC 8628 §3.3): enter the code, compare it, done or denied.

import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Environment } from './environment.ts';
import { showScreen } from './screens.ts';

/** The code in `verification_uri_complete` is filled in; the person still confirms it (§3.3.1). */
function suggestedCode(ctx: KoaContextWithOIDC): string {
  return new URL(ctx.originalUrl, ctx.oidc.issuer).searchParams.get('user_code') ?? '';
}

function secretOf(ctx: KoaContextWithOIDC): unknown {
  return ctx.oidc.session?.state?.['secret'];
}

/** oidc-provider's hooks for the device screens. */
export function deviceScreens(environment: Environment) {
  return {
    async userCodeInputSource(ctx: KoaContextWithOIDC, _form: string, _out?: object, err?: Error) {
      if (err?.name === 'AbortedError') return showScreen(ctx, 'device-denied', {});
      const code = ctx.method === 'GET' ? suggestedCode(ctx) : '';
      return showScreen(ctx, 'device-code', { xsrf: secretOf(ctx), code, failed: Boolean(err) });
    },
    userCodeConfirmSource(
      ctx: KoaContextWithOIDC,
      _form: string,
      client: { clientId: string },
      _deviceInfo: object,
      code: string,
    ) {
      const application = environment.findApplication(client.clientId);
      return showScreen(ctx, 'device-confirm', { xsrf: secretOf(ctx), code, application });
    },
    successSource: (ctx: KoaContextWithOIDC) => showScreen(ctx, 'device-done', {}),
  };
}
