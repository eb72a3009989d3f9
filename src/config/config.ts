// Settings: environment -> one frozen Config, every problem reported at once. Pure: the
// environment and .env are read by process/main.ts and the doctor.
import { contradictions } from './rules.ts';
import { DEFAULT_MAX_SECONDS, settings, type Settings } from './settings.ts';

export { settings } from './settings.ts';

export interface Config {
  production: boolean;
  port: number;
  baseUrl: URL;
  /** Unset: the bundled local AuthKit. */
  authKit?: { issuer: URL; clientId: string; clientSecret?: string };
  scope: string;
  resource?: string;
  apiAudience?: string[];
  /** Unset in development: a random one, kept across restarts. */
  sessionSecrets?: string[];
  sessionDb: string;
  idleSeconds: number;
  maxSeconds: number;
  staleSeconds: number;
  rateLimit: number;
  redisUrl?: string;
  trustProxy?: boolean | number | string;
  logLevel: string;
  /** What is allowed but worth a line at start. */
  warnings: string[];
}

/** Thrown at start with all problems, each `NAME: what is wrong; what to set`; no value is quoted. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Parses the environment; an empty variable counts as unset.
 * @throws ConfigError with every problem there is
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const given = Object.entries(env).filter(
    ([name, value]) => name in settings.shape && value?.trim(),
  );
  const parsed = settings.safeParse(Object.fromEntries(given));
  const problems = (parsed.error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );
  // What was parsed so far is enough to find the contradictions too: all problems at once.
  const values = parsed.data ?? lenient(Object.fromEntries(given));
  // A setting that is wrong is not also "not set".
  const isTold = (line: string) => problems.some((told) => nameIn(told) === nameIn(line));
  problems.push(...contradictions(values).filter((line) => !isTold(line)));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(toConfig(values));
}

const nameIn = (line: string) => line.slice(0, line.indexOf(':'));

/** The settings that are right on their own, where others are not. */
function lenient(given: Record<string, string | undefined>): Settings {
  const right = Object.entries(settings.shape).flatMap(([name, schema]) => {
    const { success, data } = schema.safeParse(given[name]);
    return success && data !== undefined ? [[name, data]] : [];
  });
  return Object.fromEntries(right) as Settings;
}

function toConfig(s: Settings): Config {
  const production = s.NODE_ENV === 'production';
  const port = s.PORT ?? 3000;
  const baseUrl = s.BASE_URL ?? new URL(`http://localhost:${port}`);
  const warnings: string[] = [];
  if (production && baseUrl.protocol === 'http:') {
    warnings.push(
      'BASE_URL: http on loopback; cookies are not Secure. Fine for a trial, not for users.',
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
    rateLimit: s.RATE_LIMIT ?? 120,
    ...(s.REDIS_URL && { redisUrl: s.REDIS_URL.href }),
    ...(s.TRUST_PROXY !== undefined && { trustProxy: trustProxyValue(s.TRUST_PROXY) }),
    logLevel: s.LOG_LEVEL ?? 'info',
    warnings,
  };
}

/** The client id of the application is the audience of ID tokens, and of no access token of AuthKit. */
function audienceWarnings(s: Settings): string[] {
  const right = 'AuthKit puts the environment’s client id into access tokens: set that';
  if (s.AUTHKIT_ISSUER && !s.API_AUDIENCE && s.OAUTH_RESOURCE === undefined) {
    return [`API_AUDIENCE: not set, so /api accepts OAUTH_APP_CLIENT_ID only. ${right}.`];
  }
  if (s.OAUTH_APP_CLIENT_ID === undefined || !s.API_AUDIENCE?.includes(s.OAUTH_APP_CLIENT_ID)) {
    return [];
  }
  return [
    `API_AUDIENCE: holds OAUTH_APP_CLIENT_ID, which is the audience of ID tokens. ${right} alone.`,
  ];
}

/** As Express takes it: true or false, a number of hops, or addresses and subnets. */
function trustProxyValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}
