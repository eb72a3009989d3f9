// Puts the parts together for one Config: the store, sign-in, the API, the app, a listening server.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp } from './app.ts';
import { createAuth } from './auth/index.ts';
import { Issuer, type BearerEvent } from './bearer/index.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { createRateLimits } from './middleware/rate-limits.ts';
import { sharedCounter } from './middleware/shared-counter.ts';
import { createDrain } from './shutdown.ts';
import { openStore } from './store/index.ts';
import { createUserDirectory } from './user-directory.ts';

/** A Config with everything the local AuthKit or a development default fills in. */
export interface CompleteConfig extends Config {
  authKit: { issuer: URL; clientId: string; clientSecret?: string };
  sessionSecrets: string[];
  apiAudience: string[];
  localAuthKit: boolean;
}

// A client that sends or reads slowly holds a connection, not the server.
const SERVER_BOUNDS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than the 60 s for which proxies keep idle connections, so that they never use a dead one.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

export interface RunningApp {
  server: Server;
  close(): Promise<void>;
}

/**
 * Opens the store and listens. The issuer may be away: it is looked for in the background.
 * @throws StoreError when the embedded store's file cannot be used
 * @throws Error with code EADDRINUSE and the like when the port cannot be had
 */
export async function startApp(config: CompleteConfig, log: Log): Promise<RunningApp> {
  const { authKit, baseUrl, resource, idleSeconds, maxSeconds, sessionSecrets } = config;
  const { store, redis } = await openStore({
    redisUrl: config.redisUrl,
    file: config.sessionDb,
    onEvent: (event, cause) =>
      log[cause === undefined ? 'info' : 'error']({ ...event, err: cause }),
  });
  const directory = createUserDirectory(store, sessionSecrets);
  const auth = createAuth({
    ...authKit,
    baseUrl,
    scope: config.scope,
    ...(resource !== undefined && { resource }),
    sessionSecrets,
    idleSeconds,
    maxSeconds,
    records: store,
    onSignIn: (user) => directory.upsert(user),
    onEvent: (event, cause) => log[levelOf(event.event)]({ ...event, err: cause }),
  });
  const logBearer = (event: BearerEvent) => log[levelOf(event.event)](event);
  const issuer = new Issuer(authKit.issuer, { log: logBearer });
  const server = createServer(SERVER_BOUNDS);
  const drain = createDrain(server);
  const limits = createRateLimits(config.rateLimit, redis && sharedCounter(redis));
  const app = createApp({
    auth,
    limits,
    api: {
      ...authKit,
      issuer,
      audience: config.apiAudience,
      baseUrl: baseUrl.origin,
      resource,
      // A token needs no store: without the directory the API still says whose it is.
      findUser: (sub) => directory.find(issuer.identifier, sub).catch(() => null),
      log: logBearer,
    },
    apiUrl: () => new URL(`http://127.0.0.1:${portOf(server)}`),
    pingStore: () => store.ping(),
    log,
    production: config.production,
    baseUrl,
    issuer: authKit.issuer,
    idleSeconds,
    ...(config.trustProxy !== undefined && { trustProxy: config.trustProxy }),
    localAuthKit: config.localAuthKit,
  });
  server.on('request', app);
  await listen(server, config.port);

  return {
    server,
    async close() {
      await drain();
      auth.close();
      await store.close();
    },
  };
}

const listen = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });

export const portOf = (server: Server) => (server.address() as AddressInfo).port;

const ALARMS = new Set([
  'keys_unreachable',
  'introspection_failed',
  'client_refused',
  'issuer_unavailable',
  'refresh_failed',
  'clock_skew',
]);
const levelOf = (event: string) => (ALARMS.has(event) ? 'error' : 'info');
