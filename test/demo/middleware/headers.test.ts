// The headers of every response: each route and status, page or not, signed in or not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';

let app: TestApp;
let user: Browser;
beforeAll(async () => {
  app = await startTestApp();
  user = await signIn(app, { person: 'Ada' });
});
afterAll(() => app.close());

type Method = 'GET' | 'POST' | 'HEAD' | 'PUT' | 'OPTIONS';
type Row = [status: number, method: Method, path: string, signedIn?: boolean];

const rows: Row[] = [
  [200, 'GET', '/'],
  [200, 'GET', '/', true],
  [200, 'HEAD', '/'],
  [302, 'GET', '/login'],
  [204, 'HEAD', '/login'],
  [400, 'GET', '/callback'],
  [303, 'GET', '/callback', true],
  [405, 'POST', '/callback'],
  [403, 'POST', '/logout'],
  [200, 'GET', '/signed-out'],
  [302, 'GET', '/profile'],
  [200, 'GET', '/profile', true],
  [200, 'GET', '/sessions', true],
  [200, 'GET', '/sessions/live'],
  [403, 'GET', '/organization', true],
  [403, 'GET', '/moderation', true],
  [200, 'GET', '/api-call', true],
  [200, 'GET', '/draft'],
  [403, 'POST', '/draft'],
  [403, 'POST', '/sessions/end'],
  [404, 'GET', '/nothing-here'],
  [404, 'GET', '/nothing-here', true],
  [404, 'PUT', '/profile'],
  [404, 'GET', '/assets/%'],
  [414, 'GET', `/${'a'.repeat(8_200)}`],
  [200, 'GET', '/assets/styles.css'],
  [404, 'GET', '/assets/nothing.css'],
  [401, 'GET', '/api/me'],
  [404, 'GET', '/api/nothing'],
  [405, 'POST', '/api/me'],
  [200, 'GET', '/.well-known/oauth-protected-resource'],
  [200, 'GET', '/healthz'],
  [200, 'GET', '/readyz'],
];

/** Sends the request as a navigation; a form comes from another site. */
function send(method: Method, path: string, signedIn = false) {
  const browser = signedIn ? user : new Browser();
  const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const headers = { accept: 'text/html', ...page };
  const from = method === 'POST' ? 'https://evil.example' : undefined;
  return browser.fetch(`${app.url}${path}`, { method, headers, from });
}

describe.each(rows)('the %i response to %s %s', (status, method, path, signedIn) => {
  it('forbids scripts, framing and caching', async () => {
    const { status: seen, headers } = await send(method, path, signedIn);
    // The one page with a script allows this one and its event stream, not what is inline.
    const ownScript = path === '/sessions' ? ["script-src 'self'", "connect-src 'self'"] : [];
    expect(seen).toBe(status);
    expect(headers).toMatchObject({
      'content-security-policy': [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        `form-action 'self' ${app.authKit.issuer}`,
        "base-uri 'none'",
        "frame-ancestors 'none'",
        ...ownScript,
      ].join(';'),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    });
    expect(Object.keys(headers)).not.toContain('x-powered-by');
    expect(Object.keys(headers)).not.toContain('server');
    // Browsers ignore HSTS over plain http, and on loopback it would break other projects.
    expect(headers['strict-transport-security']).toBeUndefined();
    const isPublic = /^\/(assets\/styles|\.well-known)/.test(path);
    expect(headers['cache-control']).toMatch(isPublic ? /^(?!.*no-store)/ : /^no-store$/);
  });
});

it('every response sets HSTS when BASE_URL is https', async () => {
  const behindTls = await startTestApp({ env: { BASE_URL: 'https://app.example.com' } });
  for (const path of [
    '/',
    '/healthz',
    '/api/me',
    '/nothing-here',
    '/assets/styles.css',
    '/assets/%',
  ]) {
    const headers = { host: 'app.example.com' };
    const page = await new Browser().get(`http://localhost:${behindTls.port}${path}`, { headers });
    expect(page.headers['strict-transport-security']).toBe('max-age=63072000; includeSubDomains');
  }
  await behindTls.close();
});

it('form-action allows the issuer, since POST /logout redirects to AuthKit', async () => {
  const { headers } = await new Browser().get(app.url);
  const [, sources] = /form-action ([^;]*)/.exec(String(headers['content-security-policy'])) ?? [];
  expect(sources?.split(' ')).toEqual(["'self'", new URL(app.authKit.issuer).origin]);
});
