// An app with a login of its own, and sign-in with AuthKit beside it. Reading order: before.ts (the
// app as it was), main.ts (the order of both), added.ts (connected accounts, pages).

import { once } from 'node:events';
import express, { type RequestHandler } from 'express';
import { createAuth, rejectForeignOrigin } from '../../src/auth/index.ts';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import { addedPages, AuthKitUsers, showError } from './added.ts';
import { Accounts, ownRoutes, ownSession } from './before.ts';

const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store');
  next();
};

/** Throws an Error that names what to set. */
function readSettings(env: NodeJS.ProcessEnv) {
  const required = ['OAUTH_APP_CLIENT_ID', 'OAUTH_APP_CLIENT_SECRET', 'SESSION_SECRET'];
  const missing = required.filter((name) => !env[name]);
  if (missing.length > 0)
    throw new Error(`Set ${missing.join(', ')}; see examples/beside/README.md.`);
  const port = env['PORT'] || '3200';
  return {
    port,
    issuer: toUrl('AUTHKIT_ISSUER', env['AUTHKIT_ISSUER'] || 'http://localhost:4000'),
    baseUrl: toUrl('BASE_URL', env['BASE_URL'] || `http://localhost:${port}`),
    clientId: env['OAUTH_APP_CLIENT_ID'] ?? '',
    clientSecret: env['OAUTH_APP_CLIENT_SECRET'] ?? '',
    sessionSecrets: (env['SESSION_SECRET'] ?? '').split(/,\s*/),
  };
}

function toUrl(name: string, value: string): URL {
  if (URL.canParse(value)) return new URL(value);
  throw new Error(`${name} is not a URL.`);
}

async function main(): Promise<void> {
  const { port, ...settings } = readSettings(process.env);
  const accounts = new Accounts();
  // Ada has the same e-mail address at the local AuthKit.
  await accounts.add('Ada', 'ada.lindqvist@example.com', 'the own password of Ada');
  await accounts.add('Olga', 'olga@example.com', 'the own password of Olga');

  const authKitUsers = new AuthKitUsers(accounts);
  const store = await openEmbeddedStore({ file: '.data/beside.db' });
  const auth = createAuth({
    ...settings,
    // The app's own /login and /logout stay.
    paths: {
      login: '/authkit/login',
      callback: '/authkit/callback',
      logout: '/authkit/logout',
      signedOut: '/authkit/signed-out',
    },
    // For the app's own login alone.
    setReqUser: false,
    records: store,
    onSignIn: (user) => authKitUsers.upsert(user),
    onEvent: (event) => void process.stdout.write(`${JSON.stringify(event)}\n`),
  });

  const app = express();
  app.use(noStore);
  app.post(/.*/, rejectForeignOrigin(settings.baseUrl)); // the app's own forms too
  app.use(ownSession(accounts)); // as before
  app.use(auth.session, auth.routes);
  app.use(ownRoutes()); // as before
  app.use(addedPages(auth, accounts, authKitUsers));
  app.use(showError(auth));

  const server = app.listen(Number(port), 'localhost');
  await once(server, 'listening');
  process.stdout.write(`Open ${settings.baseUrl.origin}\n`);
  const stop = () => server.close(() => void auth.close().then(() => store.close()));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
