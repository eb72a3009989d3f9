// Wires the parts for one Config: the store, sign-in, the API, the app and a listening server.
import type { Server } from 'node:http';
import { createApp } from '../app.ts';
import { createAuth, type Auth, type SessionRecords } from '../auth/index.ts';
import { Issuer, type BearerEvent } from '../bearer/index.ts';
import { ConfigError, type Application, type Config } from '../config/config.ts';
import { createLive } from '../live/index.ts';
import { createHttpServer, listen, portOf } from './http-server.ts';
import type { Log } from './log.ts';
import { postgresCounter } from '../demo/middleware/postgres-counter.ts';
import { createRateLimits } from '../demo/middleware/rate-limits.ts';
import { sharedCounter } from '../demo/middleware/shared-counter.ts';
import type { ApiOptions } from '../demo/routes/api.ts';
import { newsRoutes } from '../demo/routes/news.ts';
import { createShutdown } from './shutdown.ts';
import { openStore, StoreError } from '../store/index.ts';
import { describeBrowser } from '../demo/browser.ts';
import { openEntries } from '../demo/entries.ts';
import { createUserDirectory, type UserDirectory } from '../demo/user-directory.ts';

/** A Config completed by the local AuthKit and the development defaults. */
export interface CompleteConfig extends Config {
  authKit: Application;
  sessionSecrets: string[];
  apiAudience: string[];
  localAuthKit: boolean;
}

type Fetch = typeof globalThis.fetch;

/** Loads undici, a tenth of a start, only where it is needed. */
async function proxiedFetch(proxy: NonNullable<Config['proxy']>): Promise<Fetch> {
  const { createProxiedFetch } = await import('./outgoing-proxy.ts');
  return createProxiedFetch(proxy);
}

export interface RunningApp {
  server: Server;
  /**
   * Waits for the grace period, lets requests in flight finish, then closes the stores; resolves when
   * everything is closed.
   */
  close(): Promise<void>;
}

/**
 * Opens the store and listens. The issuer may be down: discovery is retried in the background.
 * @throws StoreError when the embedded store's file cannot be used
 * @throws ConfigError when REDIS_URL names a database that Redis does not have
 * @throws Error with a code such as EADDRINUSE when the server cannot listen on the port
 */
export async function startApp(config: CompleteConfig, log: Log): Promise<RunningApp> {
  const { authKit, baseUrl, trustProxy } = config;
  const fetchAuthKit = config.proxy && (await proxiedFetch(config.proxy));
  // Logged as well as in the banner: in production, operators read the log, not the terminal.
  for (const hint of config.warnings) log.warn({ event: 'setting_doubtful', hint });
  const { store, redis, postgres } = await openStore({
    redisUrl: config.redisUrl,
    databaseUrl: config.databaseUrl,
    file: config.sessionDb,
    onEvent: (event, cause) =>
      log[cause === undefined ? 'info' : 'error']({ ...event, err: cause }),
  }).catch((error: unknown) => {
    const isSetting = config.redisUrl !== undefined && error instanceof StoreError;
    throw isSetting ? new ConfigError([`REDIS_URL: ${error.message}`]) : error;
  });
  const entries = await openEntries(config.sessionDb, redis, postgres);
  const counter = redis ? sharedCounter(redis) : postgres && postgresCounter(postgres);
  const directory = createUserDirectory(entries, config.sessionSecrets);
  const auth = createAuthFor(config, store, directory, log, fetchAuthKit);
  const api = apiOptionsFor(config, directory, log, fetchAuthKit);
  const live = createLive({ auth });
  const app = createApp({
    auth,
    live,
    limits: createRateLimits(config.rateLimit, counter),
    api,
    news: newsRoutes({
      auth,
      leases: store,
      issuer: api.issuer,
      clientId: authKit.clientId,
      webhooks: config.webhooks,
      onEvent: (event, cause) => log[levelOf(event.event)]({ ...event, err: cause }),
    }),
    apiUrl: () => new URL(`http://127.0.0.1:${portOf(server)}`),
    pingStore: () => store.ping(),
    isShuttingDown: () => shutdown.hasBegun(),
    log,
    production: config.production,
    baseUrl,
    issuer: authKit.issuer,
    idleSeconds: config.idleSeconds,
    ...(trustProxy !== undefined && { trustProxy }),
    localAuthKit: config.localAuthKit,
  });
  const server = createHttpServer(app);
  const shutdown = createShutdown(server, config.shutdownGraceSeconds);
  server.on('request', app);
  await listen(server, config.port);

  return {
    server,
    async close() {
      await shutdown.run(() => live.close());
      await auth.close();
      await entries.close();
      await store.close();
    },
  };
}

function createAuthFor(
  config: CompleteConfig,
  records: SessionRecords,
  directory: UserDirectory,
  log: Log,
  fetchAuthKit: Fetch | undefined,
): Auth {
  const { authKit, baseUrl, scope, resource, sessionSecrets } = config;
  const { idleSeconds, maxSeconds, staleSeconds } = config;
  return createAuth({
    ...authKit,
    ...(fetchAuthKit && { fetch: fetchAuthKit }),
    baseUrl,
    scope,
    ...(resource !== undefined && { resource }),
    sessionSecrets,
    idleSeconds,
    maxSeconds,
    staleSeconds,
    records,
    labelSession: (req) => describeBrowser(req.get('user-agent')),
    onSignIn: (user) => directory.upsert(user),
    onEvent: (event, cause) => log[levelOf(event.event)]({ ...event, err: cause }),
  });
}

function apiOptionsFor(
  config: CompleteConfig,
  directory: UserDirectory,
  log: Log,
  fetchAuthKit: Fetch | undefined,
): ApiOptions {
  const logBearer = (event: BearerEvent) =>
    log[levelOf(event.event)]({ ...event, hint: audienceHint(event, config) });
  const issuer = new Issuer(config.authKit.issuer, {
    log: logBearer,
    ...(fetchAuthKit && { fetch: fetchAuthKit }),
  });
  return {
    ...config.authKit,
    issuer,
    audience: config.apiAudience,
    baseUrl: config.baseUrl.origin,
    resource: config.resource,
    // Verifying a token needs no store: if it is down, the API still responds, without the profile.
    findUser: (sub) => directory.find(issuer.identifier, sub).catch(() => null),
    log: logBearer,
  };
}

/** The start's warning about API_AUDIENCE, if that setting is why a token was refused. */
function audienceHint(event: BearerEvent, config: CompleteConfig): string | undefined {
  if (event.event !== 'token_refused') return undefined;
  const { authKit, apiAudience, warnings } = config;
  const isOwnAlone = apiAudience.every((audience) => audience === authKit.clientId);
  const isCause = event.reason === 'not_an_access_token' || (event.claim === 'aud' && isOwnAlone);
  return isCause ? warnings.find((line) => line.startsWith('API_AUDIENCE:')) : undefined;
}

const ERROR_EVENTS = new Set([
  'keys_unreachable',
  'introspection_failed',
  'client_refused',
  'issuer_unavailable',
  'refresh_failed',
  'session_touch_failed',
  'user_info_failed',
  'clock_skew',
]);
const levelOf = (event: string) => (ERROR_EVENTS.has(event) ? 'error' : 'info');
