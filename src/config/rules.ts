// Settings that are valid on their own but not in combination. Each problem is one line:
// `NAME: what is wrong; what to set`.
import { isIP } from 'node:net';
import { isLoopbackHttp } from '../auth/index.ts';
import { DEFAULT_MAX_SECONDS, type Settings } from './settings.ts';

type Problem = [isProblem: boolean, line: string];

/** Takes the valid settings and returns the problem lines. */
export function contradictions(s: Settings): string[] {
  const problems = [...always(s), ...(isProduction(s) ? inProduction(s) : [])];
  return problems.flatMap(([isProblem, line]) => (isProblem ? [line] : []));
}

function always(s: Settings): Problem[] {
  return [
    [
      s.AUTHKIT_ISSUER !== undefined && s.OAUTH_APP_CLIENT_ID === undefined,
      'OAUTH_APP_CLIENT_ID: is not set; set the client id of your Connect application',
    ],
    [
      s.AUTHKIT_ISSUER === undefined && s.OAUTH_APP_CLIENT_ID !== undefined && !isProduction(s),
      'AUTHKIT_ISSUER: is not set, but OAUTH_APP_CLIENT_ID is; set both or neither',
    ],
    [
      // With an issuer, and in production, the first rule reports this already.
      s.OAUTH_APP_CLIENT_SECRET !== undefined &&
        s.OAUTH_APP_CLIENT_ID === undefined &&
        s.AUTHKIT_ISSUER === undefined &&
        !isProduction(s),
      'OAUTH_APP_CLIENT_ID: is not set, but OAUTH_APP_CLIENT_SECRET is; set both',
    ],
    [
      s.OAUTH_CLIENT_AUTH !== undefined && s.OAUTH_APP_CLIENT_SECRET === undefined,
      'OAUTH_CLIENT_AUTH: is set, but OAUTH_APP_CLIENT_SECRET is not; set both, or leave it out',
    ],
    [
      (isProduction(s) || s.BASE_URL?.protocol === 'https:') &&
        (s.SESSION_SECRET ?? []).some((secret) => isWeak(secret)),
      'SESSION_SECRET: is weak; set random values of at least 32 characters each',
    ],
    [
      s.WORKOS_WEBHOOK_TOLERANCE_SECONDS !== undefined && s.WORKOS_WEBHOOK_SECRET === undefined,
      'WORKOS_WEBHOOK_SECRET: is not set, but WORKOS_WEBHOOK_TOLERANCE_SECONDS is; set both or neither',
    ],
    [
      s.SESSION_IDLE_SECONDS !== undefined &&
        s.SESSION_IDLE_SECONDS > (s.SESSION_MAX_SECONDS ?? DEFAULT_MAX_SECONDS),
      'SESSION_IDLE_SECONDS: is greater than SESSION_MAX_SECONDS; set a shorter time',
    ],
    [
      s.DATABASE_URL !== undefined && s.REDIS_URL !== undefined,
      'DATABASE_URL: is set, and so is REDIS_URL; set the one that sessions are to be kept in',
    ],
  ];
}

function inProduction(s: Settings): Problem[] {
  return [
    [
      !s.AUTHKIT_ISSUER,
      'AUTHKIT_ISSUER: is not set; set your issuer (the local AuthKit is for development only)',
    ],
    [
      // With an issuer, `always` reports this.
      !s.AUTHKIT_ISSUER && s.OAUTH_APP_CLIENT_ID === undefined,
      'OAUTH_APP_CLIENT_ID: is not set; set the client id of your Connect application',
    ],
    [!s.SESSION_SECRET, 'SESSION_SECRET: is not set; set a random value of at least 32 characters'],
    [
      trustsEverySender(s.TRUST_PROXY),
      'TRUST_PROXY: trusts every sender of proxy headers; set the number of proxies, such as 1',
    ],
    [!s.BASE_URL, 'BASE_URL: is not set; set the public https origin of this app'],
    [
      s.BASE_URL !== undefined && s.BASE_URL.protocol !== 'https:' && !isLoopbackHttp(s.BASE_URL),
      'BASE_URL: is not https; set an https origin (only then are cookies Secure)',
    ],
  ];
}

const isProduction = (s: Settings) => s.NODE_ENV === 'production';

/** Short, of few characters, or one pattern again and again. */
const isWeak = (secret: string) =>
  secret.length < 32 || new Set(secret).size < 10 || isRepeated(secret);

function isRepeated(secret: string): boolean {
  const periods = Array.from({ length: Math.floor(secret.length / 2) }, (_, index) => index + 1);
  return periods.some((period) => secret.slice(period) === secret.slice(0, -period));
}

// The widest private networks are 10.0.0.0/8 and fc00::/7. A wider range, or more hops than a
// deployment has proxies, lets a visitor choose the address that rate limits count.
const MAX_HOPS = 10;
const MIN_PREFIX = { 4: 8, 6: 7 };

function trustsEverySender(trusted = ''): boolean {
  if (trusted === 'true' || (/^\d+$/.test(trusted) && Number(trusted) > MAX_HOPS)) return true;
  return trusted.split(',').some((item) => {
    const [address = '', prefix] = item.trim().split('/');
    if (prefix === undefined) return false;
    const family = isIP(address) as 0 | 4 | 6;
    return family !== 0 && Number(prefix) < MIN_PREFIX[family];
  });
}
