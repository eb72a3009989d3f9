// Settings that are valid on their own but not in combination. Each problem is one line:
// `NAME: what is wrong; what to set`.
import { isLoopbackHttp } from '../auth/index.ts';
import { DEFAULT_MAX_SECONDS, type Settings } from './settings.ts';

type Problem = [isProblem: boolean, line: string];

/** Takes the valid settings and returns the problem lines. */
export function contradictions(s: Settings): string[] {
  const problems = [...always(s), ...(s.NODE_ENV === 'production' ? inProduction(s) : [])];
  return problems.flatMap(([isProblem, line]) => (isProblem ? [line] : []));
}

function always(s: Settings): Problem[] {
  return [
    [
      s.AUTHKIT_ISSUER !== undefined && s.OAUTH_APP_CLIENT_ID === undefined,
      'OAUTH_APP_CLIENT_ID: is not set; set the client id of your Connect application',
    ],
    [
      s.AUTHKIT_ISSUER === undefined && s.OAUTH_APP_CLIENT_ID !== undefined,
      'AUTHKIT_ISSUER: is not set, but OAUTH_APP_CLIENT_ID is; set both or neither',
    ],
    [
      // With an issuer, the first rule reports this already.
      s.OAUTH_APP_CLIENT_SECRET !== undefined &&
        s.OAUTH_APP_CLIENT_ID === undefined &&
        s.AUTHKIT_ISSUER === undefined,
      'OAUTH_APP_CLIENT_ID: is not set, but OAUTH_APP_CLIENT_SECRET is; set both',
    ],
    [
      (s.NODE_ENV === 'production' || s.BASE_URL?.protocol === 'https:') &&
        (s.SESSION_SECRET ?? []).some((secret) => isWeak(secret)),
      'SESSION_SECRET: is weak; set random values of at least 32 characters each',
    ],
    [
      s.SESSION_IDLE_SECONDS !== undefined &&
        s.SESSION_IDLE_SECONDS > (s.SESSION_MAX_SECONDS ?? DEFAULT_MAX_SECONDS),
      'SESSION_IDLE_SECONDS: is greater than SESSION_MAX_SECONDS; set a shorter time',
    ],
  ];
}

function inProduction(s: Settings): Problem[] {
  return [
    [
      !s.AUTHKIT_ISSUER,
      'AUTHKIT_ISSUER: is not set; set your issuer (the local AuthKit is for development only)',
    ],
    [!s.SESSION_SECRET, 'SESSION_SECRET: is not set; set a random value of at least 32 characters'],
    [
      s.TRUST_PROXY === 'true',
      'TRUST_PROXY: trusts every sender of proxy headers; set the number of proxies, such as 1',
    ],
    [!s.BASE_URL, 'BASE_URL: is not set; set the public https origin of this app'],
    [
      s.BASE_URL !== undefined && s.BASE_URL.protocol !== 'https:' && !isLoopbackHttp(s.BASE_URL),
      'BASE_URL: is not https; set an https origin (only then are cookies Secure)',
    ],
  ];
}

const isWeak = (secret: string) => secret.length < 32 || new Set(secret).size < 10;
