// The middleware order on one screen. Builds the app; neither listens nor reads the environment.
import { fileURLToPath } from 'node:url';
import express, { type Express, type Request } from 'express';
import { isNoNavigation, type Auth } from './auth/index.ts';
import { errorPages, notFound } from './demo/errors.ts';
import type { Log } from './process/log.ts';
import { boundUrl } from './demo/middleware/bounds.ts';
import { securityHeaders } from './demo/middleware/headers.ts';
import { noStore } from './demo/middleware/no-store.ts';
import { diagnoseProxy, redirectToOwnHost } from './demo/middleware/own-host.ts';
import type { RateLimits } from './demo/middleware/rate-limits.ts';
import { addApi, type ApiOptions } from './demo/routes/api.ts';
import { apiCallRoutes } from './demo/routes/api-call.ts';
import { draftRoutes } from './demo/routes/draft.ts';
import { live, ready } from './demo/routes/health.ts';
import { pageRoutes } from './demo/routes/pages.ts';
import { sessionRoutes } from './demo/routes/sessions.ts';
import * as words from './demo/format.ts';
import { createViewEngine } from './demo/view-engine.ts';

export interface AppOptions {
  auth: Auth;
  limits: RateLimits;
  api: ApiOptions;
  /** Where this app's API is reached from this server itself. */
  apiUrl: () => URL;
  pingStore: () => Promise<void>;
  log: Log;
  production: boolean;
  baseUrl: URL;
  issuer: URL;
  idleSeconds: number;
  trustProxy?: boolean | number | string;
  /** The bundled local AuthKit is in use: the home page says who can sign in. */
  localAuthKit: boolean;
}

const PROJECT = new URL('../', import.meta.url);
const folder = (name: string) => fileURLToPath(new URL(name, PROJECT));

/** Everything that it serves and shows is in the options; `auth` and the store stay the caller's. */
export function createApp(options: AppOptions): Express {
  const { auth, limits, log, production, baseUrl } = options;
  const app = express();
  app.disable('x-powered-by');
  // Pages are never stored, so a validator for them is work for nothing.
  app.disable('etag');
  if (options.trustProxy !== undefined) app.set('trust proxy', options.trustProxy);
  app.set('views', folder('views')).set('view engine', 'ejs');
  if (production) app.engine('ejs', createViewEngine());
  Object.assign(app.locals, words, {
    productName: 'Harbor Forum Support',
    localAuthKit: options.localAuthKit,
  });

  // 1. What needs no session, no user and no store.
  app.use(securityHeaders(baseUrl, options.issuer));
  app.get('/healthz', live).get('/readyz', ready(auth, options.pingStore));
  app.use(boundUrl);
  app.use('/assets', express.static(folder('public'), { maxAge: '1h' }));
  const { refusedTokens: refused, beforeAsking } = limits;
  addApi(app, { ...options.api, refused, beforeAsking });

  // 2. The right host, and not too often.
  app.use(diagnoseProxy(baseUrl, options.trustProxy !== undefined, log));
  app.use(redirectToOwnHost(baseUrl));
  app.use('/callback', limits.signIn);
  // What is no navigation starts no sign-in there, and takes nobody's place.
  app.use('/login', (req, res, next) => {
    return isNoNavigation(req) ? next() : limits.signIn(req, res, next);
  });
  // The one page where a visitor writes to the store.
  app.post('/draft', limits.signIn);

  // 3. Who is this?
  app.use(noStore, auth.session);
  app.use((req: Request, res, next) => {
    const { locals } = res;
    locals['user'] = req.authSession?.current?.user ?? null;
    locals['person'] = req.authSession?.stored?.userKeys[0] ?? '';
    locals['path'] = req.path;
    locals['now'] = new Date();
    next();
  });

  // 4. Sign-in, then the pages behind it.
  app.use(auth.routes);
  app.use(pageRoutes(auth, options.idleSeconds));
  app.use(sessionRoutes(auth, baseUrl));
  app.use(apiCallRoutes(auth, options.apiUrl));
  app.use(draftRoutes(auth, baseUrl));

  // 5. Everything else.
  app.use(notFound);
  app.use(errorPages(log, production));
  return app;
}
