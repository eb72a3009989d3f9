// fast-check arbitraries for requests that no browser sends.
import * as fc from 'fast-check';

export interface Sent {
  method: string;
  path: string;
  headers: string[];
  body: string;
}

/** Every route. */
export const PATHS = [
  '/',
  '/login',
  '/callback',
  '/logout',
  '/signed-out',
  '/profile',
  '/organization',
  '/moderation',
  '/sessions',
  '/sessions/end',
  '/sessions/end-all',
  '/draft',
  '/api-call',
  '/api',
  '/api/me',
  '/api/me/active',
  '/api/organization',
  '/.well-known/oauth-protected-resource',
  '/healthz',
  '/readyz',
  '/assets/styles.css',
];
// Without CONNECT, which node:http treats as a tunnel; the fuzz test sends it raw.
export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'TRACE',
];

export const SIGNED_IN = 'signed-in';

export const nasty = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    '%',
    '%00',
    '%E0%A4%A',
    '__proto__',
    '[object Object]',
    '../../etc/passwd',
    '//evil.example',
    '-1',
    '1e999',
    "' OR 1=1 --",
    '<script>',
    '\ud800',
    'a'.repeat(3_000),
  ),
);
const encoded = nasty.map((value) => new URLSearchParams({ '': value }).toString().slice(1));
const NAMES = [
  'return_to',
  'prompt',
  'code',
  'state',
  'error',
  'iss',
  'response',
  'handle',
  'draft',
];
const ODD_NAMES = [
  'ended',
  'from_other_host',
  'access_token',
  '__proto__',
  'constructor',
  'a[b]',
  'a[]',
];
const names = fc.constantFrom(...NAMES, ...ODD_NAMES);
const pair = fc.tuple(names, fc.oneof(encoded, nasty)).map((parts) => parts.join('='));
const query = fc
  .array(pair, { maxLength: 4 })
  .map((pairs) => (pairs.length > 0 ? `?${pairs.join('&')}` : ''));
const path = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...PATHS) },
      encoded.map((part) => `/${part}`),
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant('') },
      encoded.map((part) => `/${part}`),
    ),
    query,
  )
  .map((parts) => parts.join(''));
const cookies = fc.oneof(
  fc.constant(SIGNED_IN),
  nasty.map((value) => `session=${value}`),
  nasty.map((value) => `sign-in.0.abc=${value}; sign-in-abcdef.0.abc=${value}`),
  nasty,
);
const header = fc.oneof(
  fc.tuple(fc.constant('cookie'), cookies),
  fc.tuple(fc.constant('authorization'), fc.oneof(nasty, fc.constant(SIGNED_IN))),
  fc.tuple(fc.constant('accept'), fc.constantFrom('text/html', '*/*', 'application/json', ';;;')),
  fc.tuple(fc.constant('sec-fetch-mode'), fc.constantFrom('navigate', 'cors', 'x')),
  fc.tuple(fc.constant('sec-fetch-site'), fc.constantFrom('same-origin', 'cross-site', 'none')),
  fc.tuple(
    fc.constantFrom('origin', 'referer', 'user-agent', 'x-forwarded-for', 'x-forwarded-host'),
    nasty,
  ),
  fc.tuple(fc.constantFrom('purpose', 'sec-purpose'), fc.constant('prefetch')),
  fc.tuple(
    fc.constant('content-type'),
    fc.constantFrom(
      'application/x-www-form-urlencoded',
      'application/x-www-form-urlencoded; charset=utf-7',
      'application/json',
      'multipart/form-data',
      '',
    ),
  ),
  fc.tuple(fc.constant('content-encoding'), fc.constantFrom('gzip', 'br', 'x')),
);
/** Requests of every kind; `SIGNED_IN` stands for a good cookie or token. */
export const strangeRequest: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom(...METHODS),
  path,
  headers: fc.array(header, { maxLength: 5 }).map((list) => list.flat()),
  body: fc.oneof(
    fc.constant(''),
    nasty,
    query.map((pairs) => pairs.slice(1)),
  ),
});
