// The order of all middleware on one screen. It neither listens nor reads the environment.
import { fileURLToPath } from 'node:url';
import express, { type Express, type Request, type RequestHandler } from 'express';
import { isDeclaredNonNavigation, type Auth } from './auth/index.ts';
import { errorPages, notFound } from './demo/errors.ts';
import type { Live } from './live/index.ts';
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
import * as format from './demo/format.ts';
import { createViewEngine } from './demo/view-engine.ts';

export interface AppOptions {
  auth: Auth;
  live: Live;
  limits: RateLimits;
  api: ApiOptions;
  /** AuthKit's webhooks and logout tokens. */
  news: RequestHandler;
  /** The URL at which this server reaches its own API. */
  apiUrl: () => URL;
  pingStore: () => Promise<void>;
  /** Whether the process was told to end, so that /readyz sends load balancers elsewhere. */
  isShuttingDown: () => boolean;
  log: Log;
  production: boolean;
  baseUrl: URL;
  issuer: URL;
  idleSeconds: number;
  trustProxy?: boolean | number | string;
  /** Whether the bundled local AuthKit is in use: the home page then lists who can sign in. */
  localAuthKit: boolean;
}

const PROJECT = new URL('../', import.meta.url);
const folder = (name: string) => fileURLToPath(new URL(name, PROJECT));

/** Builds the app from the options. The caller still owns `auth` and the store, and closes them. */
export function createApp(options: AppOptions): Express {
  const { auth, limits, log, production, baseUrl } = options;
  const app = express();
  app.disable('x-powered-by');
  // Pages are sent with no-store, so computing an ETag for them would be wasted work.
  app.disable('etag');
  if (options.trustProxy !== undefined) app.set('trust proxy', options.trustProxy);
  const views = folder('views');
  app.set('views', views).set('view engine', 'eta');
  app.engine('eta', createViewEngine(views, production));
  Object.assign(app.locals, format, {
    productName: 'Harbor Forum Support',
    localAuthKit: options.localAuthKit,
  });

  // 1. Routes that need no session, no user and no store.
  app.use(securityHeaders(baseUrl, options.issuer));
  app.get('/healthz', live).get('/readyz', ready(auth, options));
  app.use(boundUrl);
  app.use('/assets', express.static(folder('public'), { maxAge: '1h' }));
  const { refusedTokens: refused, beforeIntrospection } = limits;
  app.use(options.news);
  addApi(app, { ...options.api, refused, beforeIntrospection });

  // 2. Redirect to the host of BASE_URL, then limit the rate.
  app.use(diagnoseProxy(baseUrl, options.trustProxy !== undefined, log));
  app.use(redirectToOwnHost(baseUrl));
  app.use('/callback', limits.signIn);
  // A request that is not a navigation starts no sign-in, so it does not count towards the limit.
  app.use('/login', (req, res, next) => {
    return isDeclaredNonNavigation(req) ? next() : limits.signIn(req, res, next);
  });
  // The only page where a visitor can write to the store without signing in.
  app.post('/draft', limits.signIn);

  // 3. The session: who is this? An open event stream asks too, but is no use of the session.
  app.get('/sessions/live', options.live.events());
  app.use(noStore, auth.session);
  app.use((req: Request, res, next) => {
    const { locals } = res;
    locals['user'] = req.authSession?.current?.user ?? null;
    locals['person'] = req.authSession?.stored?.userKeys[0] ?? '';
    locals['path'] = req.path;
    locals['now'] = new Date();
    next();
  });

  // 4. Sign-in, then the pages.
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
