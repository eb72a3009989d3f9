// Sign-in with AuthKit in this app: its settings, and where sessions are kept. This file is yours: an
// update of the copy leaves it as it is.
import type { ErrorRequestHandler, RequestHandler } from 'express';
import { createAuth, SignInError, type Auth } from '../../auth/index.ts';
import { openEmbeddedStore } from '../../store/embedded/store.ts';
import { env } from './env.ts';

async function open() {
  const records = await openEmbeddedStore({ file: '.data/sessions.db' });
  const auth = createAuth({
    issuer: new URL(env('AUTHKIT_ISSUER')),
    clientId: env('OAUTH_APP_CLIENT_ID'),
    // A Public application has no secret: delete this line.
    clientSecret: env('OAUTH_APP_CLIENT_SECRET'),
    // The redirect URI is BASE_URL + /callback.
    baseUrl: new URL(env('BASE_URL')),
    // The first one seals, all of them open: to change it, put the new one in front.
    sessionSecrets: env('SESSION_SECRET').split(/,\s*/),
    records,
    // Your log: what happened, never a token.
    onEvent: (event) => console.log(event),
  });
  return { auth, records };
}

/** What `open` returns, once the store is open. */
export const opened = open();
opened.catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

/** The middleware of `auth`, for an app that is put together before the store is open. */
function whenOpen(pick: (auth: Auth) => RequestHandler): RequestHandler {
  return async (req, res, next) => {
    const { auth } = await opened;
    return pick(auth)(req, res, next);
  };
}

/** Who is this? Mount it before your routes. */
export const session = whenOpen((auth) => auth.session);
/** GET /login, GET /callback, POST /logout. */
export const routes = whenOpen((auth) => auth.routes);
/** For pages that need a signed-in user. */
export const requireLogin = whenOpen((auth) => auth.requireLogin);
/** After requireLogin, for pages that need an organization. */
export const requireOrganization = whenOpen((auth) => auth.requireOrganization);

/** A cache could show a page to the next user of the browser (RFC 9111 §5.2.2.5). */
export const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};

/** Mount it after your routes: the page for a sign-in that failed. */
export const showSignInError: ErrorRequestHandler = async (error: unknown, _req, res, next) => {
  if (!(error instanceof SignInError)) return next(error);
  const { auth } = await opened;
  const again = `<a href="${auth.paths.login}">Sign in again</a>`;
  return res.status(error.status).send(`${error.message} ${again}`);
};

/** On SIGTERM, once the server has stopped: a refresh in progress is saved first. */
export async function close(): Promise<void> {
  const { auth, records } = await opened;
  await auth.close();
  await records.close();
}
