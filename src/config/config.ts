// Settings: environment variables -> one frozen Config; all problems are reported at once. Pure:
// process/main.ts and the doctor read the environment and .env.
import { parseRedisUrl } from '../store/redis-connection/address.ts';
import { isLoopbackHttp } from '../auth/index.ts';
import { contradictions } from './rules.ts';
import { DEFAULT_MAX_SECONDS, settings, type Settings } from './settings.ts';

export { settings } from './settings.ts';

/** The application at its issuer. */
export interface Application {
  issuer: URL;
  clientId: string;
  /** Absent for a Public application. */
  clientSecret?: string;
  /** Absent: the method that the issuer's metadata lists. */
  clientAuthentication?: 'client_secret_post' | 'client_secret_basic';
}

export interface Config {
  production: boolean;
  port: number;
  baseUrl: URL;
  /** When unset, the bundled local AuthKit is used. */
  authKit?: Application;
  scope: string;
  resource?: string;
  apiAudience?: string[];
  /** When unset in development, a random secret is generated and kept across restarts. */
  sessionSecrets?: string[];
  sessionDb: string;
  idleSeconds: number;
  maxSeconds: number;
  staleSeconds: number;
  /** How long /readyz reports 503 after SIGTERM before the server takes no more connections. */
  shutdownGraceSeconds: number;
  rateLimit: number;
  /** When unset, there is no endpoint for AuthKit's webhooks. */
  webhooks?: { secrets: string[]; toleranceSeconds: number };
  redisUrl?: string;
  /** The proxy for requests to AuthKit, and the hosts that it is not for. */
  proxy?: { url: string; noProxy: string };
  databaseUrl?: string;
  trustProxy?: boolean | number | string;
  logLevel: string;
  /** Settings that are allowed but doubtful: one line each at start. */
  warnings: string[];
}

/** All problems with the settings, each `NAME: what is wrong; what to set`. Quotes no values. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Parses the environment; an empty variable counts as unset, and whitespace around a value, such as
 * the carriage return of a Windows file, is removed.
 * @throws ConfigError with all problems
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.entries(withUsualNames(env)).flatMap(
    ([name, text = '']): [string, string][] => {
      const value = text.trim();
      return name in settings.shape && value !== '' ? [[name, value]] : [];
    },
  );
  const quoted = given.filter(([, value]) => QUOTED.test(value));
  const unquoted = Object.fromEntries(given.filter((entry) => !quoted.includes(entry)));
  const parsed = settings.safeParse(unquoted);
  const problems = [
    ...quoted.map(([name]) => `${name}: is in quotes; set the value without them`),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`),
  ];
  // The settings that are valid are still checked against each other, to report everything at once.
  const values = parsed.data ?? validSettings(unquoted);
  // A setting already reported as invalid is not reported as "not set" too.
  const isReported = (line: string) => problems.some((other) => nameIn(other) === nameIn(line));
  problems.push(...contradictions(values).filter((line) => !isReported(line)));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(toConfig(values));
}

/** As in other programs, the lower-case names of these two variables take precedence. */
const withUsualNames = (env: Record<string, string | undefined>) => ({
  ...env,
  HTTPS_PROXY: env['https_proxy'] ?? env['HTTPS_PROXY'],
  NO_PROXY: env['no_proxy'] ?? env['NO_PROXY'],
});

// A shell and .env remove outer quotes, `docker --env-file` keeps them: AuthKit would get them.
const QUOTED = /^(["'`])[^]*\1$/;

const nameIn = (line: string) => line.slice(0, line.indexOf(':'));

/** The settings that are valid on their own. */
function validSettings(given: Record<string, string | undefined>): Settings {
  const valid = Object.entries(settings.shape).flatMap(([name, schema]) => {
    const { success, data } = schema.safeParse(given[name]);
    return success && data !== undefined ? [[name, data]] : [];
  });
  return Object.fromEntries(valid) as Settings;
}

function toConfig(s: Settings): Config {
  const production = s.NODE_ENV === 'production';
  const port = s.PORT ?? 3000;
  const baseUrl = s.BASE_URL ?? new URL(`http://localhost:${port}`);
  const warnings: string[] = [];
  if (production && baseUrl.protocol === 'http:') {
    warnings.push(
      'BASE_URL: http on loopback, so cookies are not Secure. Fine for a trial, not for real users.',
    );
  }
  if (production && s.REDIS_URL !== undefined) warnings.push(...tlsWarnings(s.REDIS_URL));
  if (production && s.DATABASE_URL && isPlain(s.DATABASE_URL)) {
    warnings.push(
      'DATABASE_URL: to another host, without TLS. Set sslmode=verify-full, unless the network is private.',
    );
  }
  warnings.push(...audienceWarnings(s));
  const sessionSecrets = s.SESSION_SECRET;
  return {
    production,
    port,
    baseUrl,
    ...(s.AUTHKIT_ISSUER && {
      authKit: {
        issuer: s.AUTHKIT_ISSUER,
        clientId: s.OAUTH_APP_CLIENT_ID ?? '',
        ...(s.OAUTH_APP_CLIENT_SECRET !== undefined && { clientSecret: s.OAUTH_APP_CLIENT_SECRET }),
        ...(s.OAUTH_CLIENT_AUTH && { clientAuthentication: s.OAUTH_CLIENT_AUTH }),
      },
    }),
    scope: (s.OAUTH_SCOPE ?? 'openid profile email offline_access').split(/\s+/).join(' ').trim(),
    ...(s.OAUTH_RESOURCE !== undefined && { resource: s.OAUTH_RESOURCE }),
    ...(s.API_AUDIENCE && { apiAudience: s.API_AUDIENCE }),
    ...(sessionSecrets && { sessionSecrets }),
    sessionDb: s.SESSION_DB ?? '.data/sessions.db',
    idleSeconds: s.SESSION_IDLE_SECONDS ?? Math.min(86_400, s.SESSION_MAX_SECONDS ?? 86_400),
    maxSeconds: s.SESSION_MAX_SECONDS ?? DEFAULT_MAX_SECONDS,
    staleSeconds: s.SESSION_STALE_SECONDS ?? 3_600,
    // In development nothing is in front, and Ctrl-C must not wait.
    shutdownGraceSeconds: s.SHUTDOWN_GRACE_SECONDS ?? (production ? 5 : 0),
    rateLimit: s.RATE_LIMIT ?? 120,
    ...(s.WORKOS_WEBHOOK_SECRET && {
      webhooks: {
        secrets: s.WORKOS_WEBHOOK_SECRET,
        toleranceSeconds: s.WORKOS_WEBHOOK_TOLERANCE_SECONDS ?? 180,
      },
    }),
    ...(s.REDIS_URL && { redisUrl: s.REDIS_URL }),
    ...(s.HTTPS_PROXY && { proxy: { url: s.HTTPS_PROXY.href, noProxy: s.NO_PROXY ?? '' } }),
    ...(s.DATABASE_URL && { databaseUrl: s.DATABASE_URL.href }),
    ...(s.TRUST_PROXY !== undefined && { trustProxy: trustProxyValue(s.TRUST_PROXY) }),
    logLevel: s.LOG_LEVEL ?? 'info',
    warnings,
  };
}

function tlsWarnings(redisUrl: string): string[] {
  const { tls, hosts } = parseRedisUrl(redisUrl);
  if (tls || hosts.every(({ host }) => LOOPBACK.test(host))) return [];
  const [scheme = ''] = redisUrl.toLowerCase().split(':');
  const secure = scheme.replace('redis', 'rediss');
  return [
    `REDIS_URL: ${scheme}:// to another host has no TLS. Set ${secure}://, unless the network is private.`,
  ];
}

const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/i;

const isLoopbackHost = ({ host }: URL) => isLoopbackHttp(new URL(`http://${host}`));

/** Whether PostgreSQL is on another host and the connection has no TLS. A socket has no host. */
function isPlain(url: URL): boolean {
  const isEncrypted = (url.searchParams.get('sslmode') ?? 'disable') !== 'disable';
  return !isEncrypted && !/^(%2F.*)?$/i.test(url.hostname) && !isLoopbackHost(url);
}

/** The application's client id is the `aud` of its ID tokens, never of AuthKit's access tokens. */
function audienceWarnings(s: Settings): string[] {
  const advice = 'AuthKit puts the environment’s client id into access tokens; set that';
  if (s.AUTHKIT_ISSUER && !s.API_AUDIENCE && s.OAUTH_RESOURCE === undefined) {
    return [`API_AUDIENCE: not set, so /api accepts OAUTH_APP_CLIENT_ID only. ${advice}.`];
  }
  if (s.OAUTH_APP_CLIENT_ID === undefined || !s.API_AUDIENCE?.includes(s.OAUTH_APP_CLIENT_ID)) {
    return [];
  }
  return [
    `API_AUDIENCE: contains OAUTH_APP_CLIENT_ID, which is the audience of ID tokens. ${advice} alone.`,
  ];
}

/** The value for Express: true or false, a number of hops, or addresses and subnets. */
function trustProxyValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}
