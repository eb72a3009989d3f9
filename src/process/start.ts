// Puts the parts together for one Config: the store, sign-in, the API, the app, a listening server.
import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AddressInfo } from 'node:net';
import { createApp } from '../app.ts';
import { createAuth, type Auth, type SessionRecords } from '../auth/index.ts';
import { Issuer, type BearerEvent } from '../bearer/index.ts';
import type { Config } from '../config/config.ts';
import type { Log } from './log.ts';
import { createRateLimits } from '../demo/middleware/rate-limits.ts';
import { sharedCounter } from '../demo/middleware/shared-counter.ts';
import type { ApiOptions } from '../demo/routes/api.ts';
import { createDrain } from './shutdown.ts';
import { openStore } from '../store/index.ts';
import { describeBrowser } from '../demo/browser.ts';
import { openEntries } from '../demo/entries.ts';
import { createUserDirectory, type UserDirectory } from '../demo/user-directory.ts';

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
  // Longer than the 60 s that proxies keep idle connections for: they never use a dead one.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

export interface RunningApp {
  server: Server;
  /** Lets requests in flight finish, then closes the store; resolves when all is closed. */
  close(): Promise<void>;
}

/**
 * Opens the store and listens. The issuer may be away: it is looked for in the background.
 * @throws StoreError when the embedded store's file cannot be used
 * @throws Error with code EADDRINUSE and the like when the port cannot be had
 */
export async function startApp(config: CompleteConfig, log: Log): Promise<RunningApp> {
  const { authKit, baseUrl, trustProxy } = config;
  // The banner is for a person at a terminal; in production the log is what is read.
  for (const hint of config.warnings) log.warn({ event: 'setting_doubtful', hint });
  const { store, redis } = await openStore({
    redisUrl: config.redisUrl,
    file: config.sessionDb,
    onEvent: (event, cause) =>
      log[cause === undefined ? 'info' : 'error']({ ...event, err: cause }),
  });
  const entries = await openEntries(config.sessionDb, redis);
  const directory = createUserDirectory(entries, config.sessionSecrets);
  const auth = signInFor(config, store, directory, log);
  const server = createServer(SERVER_BOUNDS);
  server.on('clientError', refuseUnreadable);
  const drain = createDrain(server);
  const app = createApp({
    auth,
    limits: createRateLimits(config.rateLimit, redis && sharedCounter(redis)),
    api: apiFor(config, directory, log),
    apiUrl: () => new URL(`http://127.0.0.1:${portOf(server)}`),
    pingStore: () => store.ping(),
    log,
    production: config.production,
    baseUrl,
    issuer: authKit.issuer,
    idleSeconds: config.idleSeconds,
    ...(trustProxy !== undefined && { trustProxy }),
    localAuthKit: config.localAuthKit,
  });
  server.on('request', app);
  await listen(server, config.port);

  return {
    server,
    async close() {
      await drain();
      await auth.close();
      await entries.close();
      await store.close();
    },
  };
}

function signInFor(
  config: CompleteConfig,
  records: SessionRecords,
  directory: UserDirectory,
  log: Log,
): Auth {
  const { authKit, baseUrl, scope, resource, sessionSecrets } = config;
  const { idleSeconds, maxSeconds, staleSeconds } = config;
  return createAuth({
    ...authKit,
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

function apiFor(config: CompleteConfig, directory: UserDirectory, log: Log): ApiOptions {
  const logBearer = (event: BearerEvent) =>
    log[levelOf(event.event)]({ ...event, hint: audienceHint(event, config) });
  const issuer = new Issuer(config.authKit.issuer, { log: logBearer });
  return {
    ...config.authKit,
    issuer,
    audience: config.apiAudience,
    baseUrl: config.baseUrl.origin,
    resource: config.resource,
    // A token needs no store: without the directory the API still says whose it is.
    findUser: (sub) => directory.find(issuer.identifier, sub).catch(() => null),
    log: logBearer,
  };
}

/** What was said of API_AUDIENCE at the start, for a refusal that it causes. */
function audienceHint(event: BearerEvent, config: CompleteConfig): string | undefined {
  if (event.event !== 'token_refused') return undefined;
  const { authKit, apiAudience, warnings } = config;
  const isOwnAlone = apiAudience.every((audience) => audience === authKit.clientId);
  const isCause = event.reason === 'not_an_access_token' || (event.claim === 'aud' && isOwnAlone);
  return isCause ? warnings.find((line) => line.startsWith('API_AUDIENCE:')) : undefined;
}

/** What Node cannot read as a request reaches no route, and is told in words all the same. */
function refuseUnreadable({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  const [status, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? [
          '431 Request Header Fields Too Large',
          'The headers are larger than 16 kB: send fewer cookies',
        ]
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request did not arrive in time: send it again']
        : ['400 Bad Request', 'This is no HTTP request that can be read'];
  const body = JSON.stringify({ error: 'invalid_request', message });
  const headers = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
  else socket.destroy();
}

const listen = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });

/** The port that a listening server has. */
export const portOf = (server: Server) => (server.address() as AddressInfo).port;

const ALARMS = new Set([
  'keys_unreachable',
  'introspection_failed',
  'client_refused',
  'issuer_unavailable',
  'refresh_failed',
  'session_touch_failed',
  'user_info_failed',
  'clock_skew',
]);
const levelOf = (event: string) => (ALARMS.has(event) ? 'error' : 'info');
