// The endpoints in the order of their middleware: access from loopback only, faults, metadata and
// our own handlers, screens, and oidc-provider for the rest.

import express, { type RequestHandler } from 'express';
import { keepDocumentedParameters } from './authorize-request.ts';
import { controlRoutes } from './control-routes.ts';
import { createControl } from './control.ts';
import { suggestCode } from './device.ts';
import type { Environment } from './environment.ts';
import { ERROR_PATH, errorPage } from './error-page.ts';
import { createFaults } from './faults.ts';
import { createInteractions } from './interactions.ts';
import { introspection } from './introspection.ts';
import { authorizationServer, openidConfiguration } from './metadata.ts';
import { createPeoplePage } from './people-page.ts';
import { createPersonChanges } from './person-changes.ts';
import { createProvider } from './provider.ts';
import { revocation } from './revocation.ts';
import { sendError, VIEWS } from './screens.ts';
import { createSignOut } from './sign-out.ts';
import { toPublicJwk } from './signing-keys.ts';
import { userinfo } from './userinfo.ts';
import { createWebhooks } from './webhooks.ts';

const form = express.urlencoded({ extended: false });

/** Returns the Express app of an environment and its control API. */
export function createLocalApp(environment: Environment) {
  let provider = createProvider(environment);
  const current = () => provider;
  const faults = createFaults();
  const webhooks = createWebhooks(environment);
  const changes = createPersonChanges(environment, webhooks);
  const control = createControl(environment, faults, changes, () => {
    provider = createProvider(environment);
  });

  const app = express();
  app.disable('x-powered-by');
  app.use(onlyFromLoopback(environment));
  app.use(createPeoplePage(environment, changes));
  app.use('/_control', controlRoutes(control));
  app.use(faults.middleware);
  app.use('/_assets', express.static(`${VIEWS}/assets`, { index: false }));
  app.get('/.well-known/openid-configuration', (_req, res) => {
    res.json(openidConfiguration(environment));
  });
  app.get('/.well-known/oauth-authorization-server', (_req, res) => {
    res.json(authorizationServer(environment));
  });
  app.get('/oauth2/jwks', (_req, res) => {
    res.json({ keys: environment.state.signingKeys.map(toPublicJwk) });
  });
  app.all('/oauth2/userinfo', userinfo(environment));
  app.post('/oauth2/introspection', form, introspection(environment, current));
  if (environment.revocation) app.post('/oauth2/revoke', form, revocation(environment, current));
  app.get('/oauth2/authorize', keepDocumentedParameters);
  app.get(ERROR_PATH, errorPage(environment));
  app.get('/oauth2/device', suggestCode);
  app.use(createInteractions(environment, current));
  app.use(createSignOut(environment, current));
  app.use((req, res) => provider.callback()(req, res));
  app.use(sendFailure);
  return { app, control, webhooks };
}

/**
 * A page on another host must not reach the local AuthKit through a name that resolves to loopback
 * (DNS rebinding). Other loopback names redirect to that of the issuer, which has the cookies.
 */
function onlyFromLoopback({ issuer }: Environment): RequestHandler {
  const own = new URL(issuer);
  const names = new Set(['localhost', '127.0.0.1', '[::1]']);
  return (req, res, next) => {
    const host = URL.parse(`http://${req.get('host')}`);
    if (!host || !names.has(host.hostname)) return void res.status(421).end();
    if (host.host === own.host) return next();
    const isPage = req.method === 'GET' && /^\/oauth2\/(authorize|device)$/.test(req.path);
    if (isPage) return res.redirect(307, new URL(req.originalUrl, issuer).href);
    req.headers.host = own.host;
    next();
  };
}

const sendFailure: express.ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) return next(error);
  process.stderr.write(`local AuthKit: ${error instanceof Error ? error.stack : String(error)}\n`);
  sendError(res, 500, 'server_error');
};
