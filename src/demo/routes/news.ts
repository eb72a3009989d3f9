// What ends sessions from outside: AuthKit's webhooks, and logout tokens of issuers that send them.
import { Router, type RequestHandler } from 'express';
import type { Auth } from '../../auth/index.ts';
import { verifyJwt, type Issuer } from '../../bearer/index.ts';
import { backchannelLogout, webhook, type EventListener, type Leases } from '../../events/index.ts';

export interface NewsOptions {
  auth: Auth;
  leases: Leases;
  /** The issuer of the API: it limits how often keys are fetched. */
  issuer: Issuer;
  clientId: string;
  webhooks?: { secrets: readonly string[]; toleranceSeconds: number } | undefined;
  onEvent: EventListener;
}

/** Each route is there only where it can be used: with a secret, or if the issuer sends tokens. */
export function newsRoutes({ auth, leases, issuer, clientId, webhooks, onEvent }: NewsOptions) {
  const shared = { sessions: auth, leases, onEvent };
  const router = Router();
  if (webhooks) router.use(webhook({ ...shared, ...webhooks }));
  const onlyIfAdvertised: RequestHandler = (_req, _res, next) =>
    next(auth.advertisesBackchannelLogout() ? undefined : 'router');
  const verify = (token: string, claims: Parameters<typeof verifyJwt>[2]) =>
    verifyJwt(token, issuer, claims);
  const receive = backchannelLogout({ ...shared, clientId, verify, path: '/' });
  return router.use('/backchannel-logout', onlyIfAdvertised, receive);
}
