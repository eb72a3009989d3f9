// The screens of device authorization (RFC 8628 §3.3): enter the code, confirm it, done or denied.

import type { RequestHandler } from 'express';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Environment } from './environment.ts';
import { showScreen } from './screens.ts';

const INTERVAL_SECONDS = 5;
/** Tolerance for inexact timers of clients. */
const GRACE_SECONDS = 0.5;

const lastPolls = new WeakMap<Provider, Map<string, number>>();

/** Adds `interval`, and sends `slow_down` to a device that polls faster (§3.2, §3.5). */
export function paceDevice(ctx: KoaContextWithOIDC): void {
  const body: unknown = ctx.body;
  if (typeof body !== 'object' || body === null) return;
  if ('device_code' in body) Object.assign(body, { interval: INTERVAL_SECONDS });
  if (!('error' in body) || body.error !== 'authorization_pending') return;
  const { provider, params } = ctx.oidc;
  const polls = lastPolls.get(provider) ?? new Map<string, number>();
  lastPolls.set(provider, polls);
  const code = String(params?.['device_code']);
  const elapsed = (Date.now() - (polls.get(code) ?? 0)) / 1000;
  polls.set(code, Date.now());
  if (elapsed >= INTERVAL_SECONDS - GRACE_SECONDS) return;
  ctx.body = { error: 'slow_down', error_description: `Poll every ${INTERVAL_SECONDS} seconds` };
  ctx.status = 400;
}

/**
 * Fills in the code of `verification_uri_complete`, which the user still has to confirm (§3.3.1);
 * oidc-provider would submit it with a script.
 */
export const suggestCode: RequestHandler = (req, _res, next) => {
  req.url = req.url.replace(/([?&])user_code=/, '$1suggested_code=');
  next();
};

function secretOf(ctx: KoaContextWithOIDC): unknown {
  return ctx.oidc.session?.state?.['secret'];
}

/** Returns oidc-provider's hooks for the device screens. */
export function deviceScreens(environment: Environment) {
  return {
    async userCodeInputSource(ctx: KoaContextWithOIDC, _form: string, _out?: object, err?: Error) {
      if (err?.name === 'AbortedError') return showScreen(ctx, 'device-denied', {});
      const code = ctx.query['suggested_code'] ?? '';
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
