// The middleware order on one screen. Builds the app; does not listen, does not read the environment.
import express, { type Express, type Request } from 'express';
import helmet from 'helmet';
import type { Auth } from './auth/index.ts';
import { errorPages, notFound } from './errors.ts';
import type { Log } from './log.ts';
import { apiCallRoutes } from './routes/api-call.ts';
import { apiRoutes, type ApiOptions } from './routes/api.ts';
import { healthRoutes } from './routes/health.ts';
import { pageRoutes } from './routes/pages.ts';
import { sessionRoutes } from './routes/sessions.ts';
import * as words from './routes/words.ts';

export interface AppOptions {
  auth: Auth;
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
const folder = (name: string) => new URL(name, PROJECT).pathname;

export function createApp(options: AppOptions): Express {
  const { auth, log, production, baseUrl } = options;
  const app = express();
  app.disable('x-powered-by');
  // Pages are never stored, so a validator for them is work for nothing.
  app.disable('etag');
  if (options.trustProxy !== undefined) app.set('trust proxy', options.trustProxy);
  app.set('views', folder('views')).set('view engine', 'ejs');
  Object.assign(app.locals, words, {
    productName: 'Harbor Forum Support',
    localAuthKit: options.localAuthKit,
  });

  // 1. What needs no session, no user and no store.
  app.use(healthRoutes(auth, options.pingStore));
  app.use(securityHeaders(options));
  app.use('/assets', express.static(folder('public'), { maxAge: '1h' }));
  app.use(apiRoutes(options.api));

  // 2. Who is this?
  app.use(auth.session);
  app.use((req: Request, res, next) => {
    Object.assign(res.locals, { user: req.user ?? null, path: req.path, now: new Date() });
    next();
  });

  // 3. Sign-in, then the pages behind it.
  app.use(auth.routes);
  app.use(pageRoutes(auth, options.idleSeconds));
  app.use(sessionRoutes(auth, baseUrl));
  app.use(apiCallRoutes(auth, options.apiUrl));

  // 4. Everything else.
  app.use(notFound);
  app.use(errorPages(log, production));
  return app;
}

/** Strict: no script at all, nothing from elsewhere, forms to this origin and to AuthKit only. */
function securityHeaders({ issuer, baseUrl }: AppOptions) {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        // POST /logout redirects to AuthKit where it advertises end_session; browsers apply
        // form-action to that redirect too.
        formAction: ["'self'", issuer.origin],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Not no-referrer: with it browsers send `Origin: null` from our own forms.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: baseUrl.protocol === 'https:' && { maxAge: 63_072_000 },
  });
}
