// The environment variables and their syntax. The messages appear at start as "what is wrong; what
// to set". Rules across several settings are in rules.ts.
import { isIP } from 'node:net';
import { z } from 'zod';
import { isLoopbackHttp } from '../auth/index.ts';
import { databaseUrl, isHttp, proxyUrl, redisUrl, url } from './urls.ts';

const wholeNumber = (min: number, max: number, message: string) =>
  z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .optional();

const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  )
  .refine((items) => items.length > 0, 'contains no value; set at least one, or leave it out')
  .optional();

const ORIGIN_ONLY =
  'is not an origin; set scheme, host and port only, such as https://app.example.com';

/** The default of SESSION_MAX_SECONDS. */
export const DEFAULT_MAX_SECONDS = 604_800;
/** A shorter secret could be guessed; src/auth does not accept one. */
const MIN_SECRET_LENGTH = 16;

/** One entry per variable; docs/configuration.md and .env.example list the same ones. */
export const settings = z.object({
  AUTHKIT_ISSUER: url('is not a URL; set https://<subdomain>.authkit.app')
    .refine((issuer) => !issuer || issuer.protocol === 'https:' || isLoopbackHttp(issuer), {
      error: 'is not https; set an https URL (http is for loopback only)',
    })
    .refine((issuer) => !issuer || (issuer.search === '' && issuer.hash === ''), {
      error: 'has a query or a fragment; set the bare issuer URL',
    })
    // The issuer URL appears in the log and on pages, and an issuer identifier has no credentials.
    .refine((issuer) => !issuer || (issuer.username === '' && issuer.password === ''), {
      error: 'has a user name or password; set the bare issuer URL',
    }),
  OAUTH_APP_CLIENT_ID: z.string().optional(),
  OAUTH_APP_CLIENT_SECRET: z.string().optional(),
  OAUTH_CLIENT_AUTH: z
    .enum(['client_secret_post', 'client_secret_basic'], {
      error: 'is unknown; set client_secret_post or client_secret_basic, or leave it out',
    })
    .optional(),
  OAUTH_SCOPE: z
    .string()
    .refine(
      (scope) => scope.split(/\s+/).includes('openid'),
      'lacks openid; add it, since sign-in needs an ID token',
    )
    .optional(),
  OAUTH_RESOURCE: z
    .string()
    .refine(
      (text) => URL.canParse(text) && !text.includes('#'),
      'is not an absolute URL without a fragment; set the resource indicator as registered',
    )
    .optional(),
  API_AUDIENCE: list.refine(
    (items) => !items?.some((item) => /["'[\]{}]/.test(item)),
    'is JSON; set client ids separated by commas, without brackets and quotes',
  ),
  BASE_URL: url(ORIGIN_ONLY)
    .refine((base) => !base || isHttp(base), { error: ORIGIN_ONLY })
    .refine((base) => !base || base.href === `${base.origin}/`, { error: ORIGIN_ONLY }),
  PORT: wholeNumber(0, 65_535, 'is not a port; set a whole number from 0 to 65535'),
  SESSION_SECRET: list.refine(
    (secrets) => (secrets ?? []).every(({ length }) => length >= MIN_SECRET_LENGTH),
    'is too short; set random values of at least 32 characters each',
  ),
  SESSION_DB: z
    .string()
    // `:memory:` would lose every session at a restart; libsql would take a URL for a remote database.
    .refine(
      (path) => !/^(?::memory:|[a-z][a-z\d+.-]+:)/i.test(path),
      'is not the path of a file; set one, such as .data/sessions.db',
    )
    .optional(),
  SESSION_IDLE_SECONDS: wholeNumber(
    1,
    31_536_000,
    'is not a number of seconds; set a whole number from 1 to 31536000',
  ),
  SESSION_MAX_SECONDS: wholeNumber(
    1,
    31_536_000,
    'is not a number of seconds; set a whole number from 1 to 31536000',
  ),
  SESSION_STALE_SECONDS: wholeNumber(
    1,
    31_536_000,
    'is not a number of seconds; set a whole number from 1 to 31536000',
  ),
  SHUTDOWN_GRACE_SECONDS: wholeNumber(
    0,
    300,
    'is not a number of seconds; set a whole number from 0 to 300',
  ),
  WORKOS_WEBHOOK_SECRET: list.refine(
    (secrets) => (secrets ?? []).every(({ length }) => length >= MIN_SECRET_LENGTH),
    'is too short; set the signing secret of the webhook endpoint from the WorkOS dashboard',
  ),
  WORKOS_WEBHOOK_TOLERANCE_SECONDS: wholeNumber(
    1,
    86_400,
    'is not a number of seconds; set a whole number from 1 to 86400',
  ),
  RATE_LIMIT: wholeNumber(0, 1_000_000, 'is not a number; set requests a minute, 0 for no limit'),
  REDIS_URL: redisUrl,
  HTTPS_PROXY: proxyUrl,
  NO_PROXY: z.string().optional(),
  DATABASE_URL: databaseUrl,
  TRUST_PROXY: z
    .string()
    .refine(
      isTrustProxy,
      'is neither a number nor a list of addresses; set the number of proxies in front, such as 1',
    )
    .optional(),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'is not a log level; set fatal, error, warn, info, debug, trace or silent',
    })
    .optional(),
  NODE_ENV: z
    .enum(['development', 'production', 'test'], {
      error: 'is unknown; set production, or leave it out for development',
    })
    .optional(),
});

export type Settings = z.infer<typeof settings>;

/** Whether Express accepts it: true or false, a number of hops, or addresses and subnets. */
function isTrustProxy(text: string): boolean {
  if (/^(?:true|false|\d{1,2})$/.test(text)) return true;
  return text.split(',').every((item) => {
    const [address = '', prefix, ...rest] = item.trim().split('/');
    if (['loopback', 'linklocal', 'uniquelocal'].includes(item.trim())) return true;
    const family = isIP(address);
    if (family === 0 || rest.length > 0) return false;
    const bits = Number(prefix);
    const most = family === 4 ? 32 : 128;
    return prefix === undefined || (/^\d{1,3}$/.test(prefix) && bits >= 1 && bits <= most);
  });
}
