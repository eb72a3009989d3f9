// Signing out of the local AuthKit itself: a page for people and, if switched on, the end_session
// endpoint that AuthKit does not have (OIDC RP-Initiated Logout 1.0 §2).

import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import { Router, type Request, type Response } from 'express';
import type { Provider } from 'oidc-provider';
import type { Environment } from './environment.ts';
import { sendError, sendScreen } from './screens.ts';
import { toPublicJwk } from './signing-keys.ts';

/** Returns the sign-out routes. */
export function createSignOut(environment: Environment, provider: () => Provider): Router {
  const router = Router();

  router.get('/oauth2/sign-out', async (req, res) => {
    const session = await currentSession(provider(), req, res);
    return askToConfirm(environment, res, session?.accountId);
  });

  router.post('/oauth2/sign-out', async (req, res) => {
    if (!isOwnPage(req)) return sendError(res, 403, 'cross_site');
    await endCurrentSession(provider(), req, res);
    return sendScreen(res, 200, 'signed-out', {});
  });

  if (!environment.endSession) return router;

  router.all('/oauth2/logout', async (req, res) => {
    const request = await readRequest(environment, req);
    if (!request) return sendError(res, 400, 'invalid_logout');
    const session = await currentSession(provider(), req, res);
    const isConfirmed = req.method === 'POST' && isOwnPage(req);
    // Without an ID token hint, any page could sign people out: ask for confirmation (§2).
    if (session && session.accountId !== request.sub && !isConfirmed) {
      return askToConfirm(environment, res, session.accountId, request.target);
    }
    await endCurrentSession(provider(), req, res);
    if (request.target === undefined) return sendScreen(res, 200, 'signed-out', {});
    return res.redirect(303, request.target);
  });

  return router;
}

function askToConfirm(environment: Environment, res: Response, sub?: string, target?: string) {
  return sendScreen(res, 200, 'sign-out', { person: environment.findPerson(sub) }, target);
}

/** Whether one of our screens sent the form: other ports of localhost are same-site too. */
export function isOwnPage(req: Request): boolean {
  return ['same-origin', 'none', undefined].includes(req.get('sec-fetch-site'));
}

async function currentSession(provider: Provider, req: Request, res: Response) {
  const { cookies } = provider.createContext(req, res);
  const id = cookies.get(provider.cookieName('session'), { signed: true });
  return id === undefined ? undefined : await provider.Session.find(id);
}

async function endCurrentSession(provider: Provider, req: Request, res: Response): Promise<void> {
  const session = await currentSession(provider, req, res);
  if (session) await sendLogoutTokens(provider, session);
  await session?.destroy();
  const { cookies } = provider.createContext(req, res);
  cookies.set(provider.cookieName('session'), null, { signed: true, path: '/oauth2' });
}

type Session = NonNullable<Awaited<ReturnType<typeof currentSession>>>;
/** What the types of oidc-provider's client leave out. */
type LogoutSender = { backchannelLogout(sub: string, sid?: string): Promise<void> };

/** OIDC Back-Channel Logout 1.0 §2.5; an application that cannot be reached learns nothing. */
async function sendLogoutTokens(provider: Provider, session: Session): Promise<void> {
  for (const clientId of Object.keys(session.authorizations ?? {})) {
    const client = await provider.Client.find(clientId);
    if (client?.backchannelLogoutUri === undefined || session.accountId === undefined) continue;
    const sender = client as unknown as LogoutSender;
    const sid = session.sidFor(clientId);
    await sender.backchannelLogout(session.accountId, sid).catch(() => undefined);
  }
}

/** The subject and the redirect target; undefined if the hint or the redirect URI is invalid. */
async function readRequest(environment: Environment, req: Request) {
  const { searchParams } = new URL(req.url, environment.issuer);
  const hint = searchParams.get('id_token_hint');
  const sub = hint === null ? undefined : await verifyHint(environment, hint);
  if (hint !== null && sub === undefined) return undefined;
  const uri = searchParams.get('post_logout_redirect_uri');
  if (uri === null) return { sub };
  if (!environment.postLogoutRedirectUris.includes(uri)) return undefined;
  const target = new URL(uri);
  const state = searchParams.get('state');
  if (state !== null) target.searchParams.set('state', state);
  return { sub, target: target.href };
}

/** Returns the subject of an ID token of one of our applications, even if it has expired (§4). */
async function verifyHint(environment: Environment, hint: string): Promise<string | undefined> {
  const { issuer, state, applications } = environment;
  const jwks = createLocalJWKSet({ keys: state.signingKeys.map(toPublicJwk) });
  const audience = Object.values(applications).map(({ clientId }) => clientId);
  const options = { issuer, audience, algorithms: ['RS256'], currentDate: new Date(0) };
  try {
    return (await jwtVerify(hint, jwks, options)).payload.sub;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
