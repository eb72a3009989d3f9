// Settings: environment -> one frozen Config, every problem reported at once. Pure; only server.ts
// reads process.env and .env.
import { z } from 'zod';
import { isLoopbackHttp } from './auth/index.ts';

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
  rateLimit: number;
  redisUrl?: string;
  trustProxy?: boolean | number | string;
  logLevel: string;
  /** What is allowed but worth a line at start. */
  warnings: string[];
}

/** Thrown with all problems, each `NAME: what is wrong; what to set`; no value is quoted. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const wholeNumber = (least: number, most: number, what: string) =>
  z
    .string()
    .regex(/^\d+$/, what)
    .transform(Number)
    .refine((value) => value >= least && value <= most, what)
    .optional();

const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .refine((items) => items.length > 0, 'holds no value; set at least one, or leave it out')
  .optional();

const url = (what: string) =>
  z
    .string()
    .refine((text) => URL.canParse(text), what)
    .transform((text) => new URL(text))
    .optional();

const ORIGIN_ONLY =
  'is not an origin; set scheme, host and port only, such as https://app.example.com';

/** One entry per variable of the contract; the README's table and .env.example repeat it. */
export const settings = z.object({
  AUTHKIT_ISSUER: url('is not a URL; set https://<subdomain>.authkit.app')
    .refine((issuer) => !issuer || issuer.protocol === 'https:' || isLoopbackHttp(issuer), {
      error: 'is not https; set an https URL (http is for loopback only)',
    })
    .refine((issuer) => !issuer || (issuer.search === '' && issuer.hash === ''), {
      error: 'has a query or a fragment; set the bare issuer URL',
    }),
  OAUTH_APP_CLIENT_ID: z.string().optional(),
  OAUTH_APP_CLIENT_SECRET: z.string().optional(),
  OAUTH_SCOPE: z
    .string()
    .refine(
      (scope) => scope.split(/\s+/).includes('openid'),
      'lacks openid; add it, sign-in needs an ID token',
    )
    .optional(),
  OAUTH_RESOURCE: z
    .string()
    .refine(
      (text) => URL.canParse(text) && !text.includes('#'),
      'is not an absolute URL without fragment; set the resource indicator as registered',
    )
    .optional(),
  API_AUDIENCE: list,
  BASE_URL: url(ORIGIN_ONLY)
    .refine((base) => !base || /^https?:$/.test(base.protocol), { error: ORIGIN_ONLY })
    .refine((base) => !base || base.href === `${base.origin}/`, { error: ORIGIN_ONLY }),
  PORT: wholeNumber(0, 65_535, 'is not a port; set a whole number from 0 to 65535'),
  SESSION_SECRET: list,
  SESSION_DB: z.string().optional(),
  SESSION_IDLE_SECONDS: wholeNumber(
    60,
    31_536_000,
    'is not a number of seconds; set a whole number from 60 to 31536000',
  ),
  SESSION_MAX_SECONDS: wholeNumber(
    60,
    31_536_000,
    'is not a number of seconds; set a whole number from 60 to 31536000',
  ),
  RATE_LIMIT: wholeNumber(0, 1_000_000, 'is not a number; set requests a minute, 0 for no limit'),
  REDIS_URL: url('is not a URL; set redis://host:6379 or rediss://host:6379').refine(
    (redis) => !redis || /^rediss?:$/.test(redis.protocol),
    { error: 'is not a Redis URL; set redis:// or rediss://' },
  ),
  TRUST_PROXY: z.string().optional(),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'is no level; set fatal, error, warn, info, debug, trace or silent',
    })
    .optional(),
  NODE_ENV: z
    .enum(['development', 'production', 'test'], {
      error: 'is unknown; set production, or leave it out for development',
    })
    .optional(),
});

type Settings = z.infer<typeof settings>;

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
  problems.push(...contradictions(values));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(toConfig(values));
}

/** The settings that are right on their own, where others are not. */
function lenient(given: Record<string, string | undefined>): Settings {
  const right = Object.entries(settings.shape).flatMap(([name, schema]) => {
    const { success, data } = schema.safeParse(given[name]);
    return success && data !== undefined ? [[name, data]] : [];
  });
  return Object.fromEntries(right) as Settings;
}

function contradictions(s: Settings): string[] {
  const production = s.NODE_ENV === 'production';
  const problems: [boolean, string][] = [
    [
      production && !s.AUTHKIT_ISSUER,
      'AUTHKIT_ISSUER: is not set; set your issuer (the local AuthKit is for development only)',
    ],
    [
      s.AUTHKIT_ISSUER !== undefined && s.OAUTH_APP_CLIENT_ID === undefined,
      'OAUTH_APP_CLIENT_ID: is not set; set the client id of your Connect application',
    ],
    [
      s.AUTHKIT_ISSUER === undefined && s.OAUTH_APP_CLIENT_ID !== undefined,
      'AUTHKIT_ISSUER: is not set, but OAUTH_APP_CLIENT_ID is; set both or neither',
    ],
    [
      s.OAUTH_APP_CLIENT_SECRET !== undefined && s.OAUTH_APP_CLIENT_ID === undefined,
      'OAUTH_APP_CLIENT_ID: is not set, but OAUTH_APP_CLIENT_SECRET is; set both',
    ],
    [
      production && !s.SESSION_SECRET,
      'SESSION_SECRET: is not set; set a random value of at least 32 characters',
    ],
    [
      production && (s.SESSION_SECRET ?? []).some((secret) => isWeak(secret)),
      'SESSION_SECRET: is weak; set random values of at least 32 characters each',
    ],
    [production && !s.BASE_URL, 'BASE_URL: is not set; set the public https origin of this app'],
    [
      production &&
        s.BASE_URL !== undefined &&
        s.BASE_URL.protocol !== 'https:' &&
        !isLoopbackHttp(s.BASE_URL),
      'BASE_URL: is not https; set an https origin (cookies are Secure only then)',
    ],
    [
      s.SESSION_IDLE_SECONDS !== undefined &&
        s.SESSION_IDLE_SECONDS > (s.SESSION_MAX_SECONDS ?? 604_800),
      'SESSION_IDLE_SECONDS: is longer than SESSION_MAX_SECONDS; set a shorter time',
    ],
  ];
  return problems.flatMap(([isProblem, line]) => (isProblem ? [line] : []));
}

const isWeak = (secret: string) => secret.length < 32 || new Set(secret).size < 10;

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
  if (s.AUTHKIT_ISSUER && !s.API_AUDIENCE && s.OAUTH_RESOURCE === undefined) {
    warnings.push(
      'API_AUDIENCE: not set, so /api accepts OAUTH_APP_CLIENT_ID only. AuthKit puts the environment’s client id into access tokens: set that.',
    );
  }
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
    maxSeconds: s.SESSION_MAX_SECONDS ?? 604_800,
    rateLimit: s.RATE_LIMIT ?? 120,
    ...(s.REDIS_URL && { redisUrl: s.REDIS_URL.href }),
    ...(s.TRUST_PROXY !== undefined && { trustProxy: trustProxyValue(s.TRUST_PROXY) }),
    logLevel: s.LOG_LEVEL ?? 'info',
    warnings,
  };
}

/** As Express takes it: true or false, a number of hops, or addresses and subnets. */
function trustProxyValue(text: string): boolean | number | string {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}
