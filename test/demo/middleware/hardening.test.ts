// Requests from attackers' pages, broken proxies and old cookies: cross-site forms, oversized
// input, other host names, redirect loops.
import { createServer, request, type Server } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { call } from '../../support/app/bearer-app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn, whoIs } from '../../support/browser/callback.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;
beforeAll(async () => {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: issuer.env });
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

async function signedIn(at = app.url): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${at}/login?return_to=/profile`);
  return browser;
}

describe('a form sent to /logout, /sessions/end and /sessions/end-all', () => {
  type Headers = (url: URL) => Record<string, string>;
  const refused: [string, Headers][] = [
    ['another site', () => ({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })],
    ['another site, by Origin alone', () => ({ origin: 'https://evil.example' })],
    ['another site, by Sec-Fetch-Site alone', () => ({ 'sec-fetch-site': 'cross-site' })],
    ['a sandboxed frame', () => ({ origin: 'null' })],
    ['a sandboxed frame of our own', () => ({ origin: 'null', 'sec-fetch-site': 'same-origin' })],
    ['a sibling domain', () => ({ 'sec-fetch-site': 'same-site' })],
    [
      'a sibling domain that claims our origin',
      ({ origin }) => ({ origin, 'sec-fetch-site': 'same-site' }),
    ],
    ['a subdomain', ({ port }) => ({ origin: `http://sub.localhost:${port}` })],
    ['another port', () => ({ origin: 'http://localhost:1' })],
    ['no port', () => ({ origin: 'http://localhost' })],
    ['another scheme', ({ host }) => ({ origin: `https://${host}` })],
    ['a host that ends like ours', ({ port }) => ({ origin: `http://evil-localhost:${port}` })],
    ['a host that starts like ours', ({ origin }) => ({ origin: `${origin}.evil.example` })],
    ['a URL with our host as user name', ({ origin }) => ({ origin: `${origin}@evil.example` })],
    ['our origin with a path', ({ origin }) => ({ origin: `${origin}/` })],
    ['two origins', ({ origin }) => ({ origin: `https://evil.example, ${origin}` })],
    ['an empty origin', () => ({ origin: '' })],
  ];
  const allowed: [string, Headers][] = [
    ['our own page', ({ origin }) => ({ origin, 'sec-fetch-site': 'same-origin' })],
    ['our own page, by Origin alone', ({ origin }) => ({ origin })],
    ['our own page, by Sec-Fetch-Site alone', () => ({ 'sec-fetch-site': 'same-origin' })],
    ['a browser that sends neither', () => ({})],
  ];

  async function post(browser: Browser, path: string, headers: Headers): Promise<number> {
    const url = new URL(path, app.url);
    const cookie = `session=${browser.jar.find('session')?.value}`;
    const all = Object.entries({ cookie, ...headers(url) });
    return (await call(url.href, { method: 'POST', headers: all })).status;
  }

  it.each(refused)(
    'by %s is refused with 403, and the user stays signed in',
    async (_by, headers) => {
      const browser = await signedIn();
      for (const path of ['/logout', '/sessions/end', '/sessions/end-all']) {
        expect([path, await post(browser, path, headers)]).toEqual([path, 403]);
      }
      expect(await whoIs(browser, app)).toBe('Nora Test');
      expect(app.log.at(-1)).toMatchObject({ code: 'cross_site_request' });
    },
  );

  it.each(allowed)('by %s is accepted', async (_by, headers) => {
    for (const path of ['/logout', '/sessions/end-all']) {
      const browser = await signedIn();
      expect([path, await post(browser, path, headers)]).toEqual([path, 303]);
      expect(await whoIs(browser, app)).toBeUndefined();
    }
  });

  it('is never accepted by GET', async () => {
    const browser = await signedIn();
    for (const path of ['/logout', '/sessions/end', '/sessions/end-all']) {
      expect((await browser.get(path)).status).toBe(404);
    }
    expect(await whoIs(browser, app)).toBe('Nora Test');
  });
});

describe('the app', () => {
  it('refuses a URL of more than 8 kB with a page', async () => {
    const page = await new Browser().get(`${app.url}/?${'a'.repeat(8_192)}`);
    expect([page.status, codeOn(page)]).toEqual([414, 'url_too_long']);
  });

  it('refuses headers of more than 16 kB, cookies included', async () => {
    const headers = [['cookie', `sign-in.x=${'a'.repeat(17_000)}`]] as const;
    expect((await call(app.url, { headers })).status).toBe(431);
  });

  it('refuses more headers than a browser sends, or ignores the rest', async () => {
    const headers = Array.from({ length: 1_500 }, (_, at) => [`x-${at}`, ''] as const);
    expect([200, 431]).toContain((await call(app.url, { headers })).status);
  });

  it.each([
    ['a form of more than 1 kB', `handle=${'a'.repeat(1_100)}`, 413, 'body_too_large'],
    ['a form of many fields', 'a&'.repeat(200), 413, 'body_too_large'],
    ['a form in an unknown charset', '', 400, 'request_invalid'],
  ])('refuses %s', async (what, body, status, code) => {
    const browser = await signedIn();
    const type = 'application/x-www-form-urlencoded';
    const charset = what.includes('charset') ? '; charset=klingon' : '';
    const page = await browser.fetch('/sessions/end', {
      method: 'POST',
      body: body || 'a',
      headers: { 'content-type': type + charset },
    });
    expect([page.status, JSON.parse(page.body)]).toMatchObject([status, { error: code }]);
  });

  it.each(['return_to=/a&return_to=/b', 'return_to[]=/a', 'return_to[x]=/a', 'return_to'])(
    'ignores a malformed return_to: %s',
    async (query) => {
      const browser = new Browser();
      await browser.open(`${app.url}/login?${query}`);
      expect(browser.page?.url.href).toBe(`${app.url}/`);
    },
  );
});

describe('a foreign host name', () => {
  const EVIL = 'evil.example';
  const paths = ['/', '/login', '/callback', '/profile', '/signed-out', '/nothing', '/readyz'];

  it.each(paths)(
    'in Host, X-Forwarded-Host or Forwarded does not appear in the response of %s',
    async (path) => {
      const browser = await signedIn();
      const forged = {
        host: EVIL,
        'x-forwarded-host': EVIL,
        forwarded: `host=${EVIL};proto=https`,
      };
      for (const mode of ['cors', 'navigate']) {
        const headers = { ...forged, 'sec-fetch-mode': mode };
        const page = await browser.fetch(`${app.url}${path}`, { headers });
        expect(JSON.stringify([page.headers, page.body])).not.toContain('evil');
      }
    },
  );

  it('in the request line does not appear in the response', async () => {
    const response = await new Promise<string>((resolve, reject) => {
      const path = `http://${EVIL}/login?return_to=/profile`;
      request({ port: app.port, path }, ({ headers }) => resolve(JSON.stringify(headers)))
        .on('error', reject)
        .end();
    });
    expect(response).not.toContain('evil');
  });

  it.each([
    ['/profile?a=1&b=%2F', '/profile?a=1&b=%2F&from_other_host=1'],
    ['/login?return_to=%2Fsessions', '/login?return_to=%2Fsessions&from_other_host=1'],
    ['/callback?code=1&state=2', '/callback?code=1&state=2&from_other_host=1'],
    ['//evil.example/x', '//evil.example/x?from_other_host=1'],
    ['/\\evil.example', '//evil.example?from_other_host=1'],
    ['/@evil.example', '/@evil.example?from_other_host=1'],
  ])('redirects a navigation to %s to the same path below BASE_URL', async (path, expected) => {
    const headers = [
      ['sec-fetch-mode', 'navigate'],
      ['accept', 'text/html'],
    ] as const;
    const response = await call(`http://127.0.0.1:${app.port}/`, { headers, path });
    expect([response.status, response.headers['location']]).toEqual([302, `${app.url}${expected}`]);
  });

  it('redirects no health check, API call, asset, script, prefetch or form', async () => {
    const at = `http://127.0.0.1:${app.port}`;
    const browser = new Browser();
    expect((await browser.get(`${at}/healthz`)).status).toBe(200);
    expect((await browser.get(`${at}/readyz`)).status).toBe(200);
    expect((await browser.get(`${at}/api/me`)).status).toBe(401);
    expect((await browser.get(`${at}/assets/styles.css`)).status).toBe(200);
    expect((await browser.fetch(`${at}/`)).status).toBe(200);
    expect((await browser.get(`${at}/`, { headers: { purpose: 'prefetch' } })).status).toBe(200);
    expect((await browser.post(`${at}/logout`, {}, { from: undefined })).status).toBe(303);
  });
});

describe('the app behind a proxy that replaces Host', () => {
  let proxy: Server;
  let behind: TestApp;

  beforeAll(async () => {
    const port = await freePort();
    behind = await startTestApp({ env: { ...issuer.env, BASE_URL: `http://localhost:${port}` } });
    proxy = createServer((req, res) => {
      const headers = { ...req.headers, host: 'app:8080', 'x-forwarded-for': '10.0.0.1' };
      const { method, url: path } = req;
      const upstream = request({ port: behind.port, method, path, headers }, (response) => {
        res.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(res);
      });
      req.pipe(upstream);
    }).listen(port);
  });
  afterAll(async () => {
    proxy.close();
    await behind.close();
  });
  const at = () => String(behind.env['BASE_URL']);

  it('causes no redirect loop', async () => {
    const { status, url } = await new Browser().open(`${at()}/signed-out`);
    expect([status, url.href]).toEqual([200, `${at()}/signed-out?from_other_host=1`]);
  });

  it('completes a sign-in, however long it takes at AuthKit', async () => {
    const browser = new Browser();
    const login = await browser.follow(await browser.get(`${at()}/`));
    expect(login.status).toBe(200);
    let page = await browser.get(`${at()}/login?return_to=/profile`);
    while (page.location?.pathname !== '/callback') page = await browser.get(page.location ?? '');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
    expect((await browser.open(page.location)).url.pathname).toBe('/profile');
  });

  it('names TRUST_PROXY once in the log and on error pages, in production too', async () => {
    await behind.restart({ NODE_ENV: 'production' });
    behind.log.length = 0;
    const page = await new Browser().open(`${at()}/nothing-here`);
    await new Browser().open(`${at()}/callback`);
    expect(page.body).toContain('TRUST_PROXY');
    const lines = behind.log.filter(({ event }) => event === 'proxy_not_trusted');
    expect(lines).toMatchObject([{ level: 'warn', hint: expect.stringContaining('TRUST_PROXY') }]);

    await behind.restart({ TRUST_PROXY: '1' });
    expect((await new Browser().open(`${at()}/nothing-here`)).body).not.toContain('TRUST_PROXY');
  });
});

describe('the sign-in loop check', () => {
  it('shows the cause before the browser stops by itself, and allows another try', async () => {
    const browser = new Browser();
    let page = await browser.get(`${app.url}/profile`);
    let redirects = 0;
    for (; page.location !== undefined && redirects < 40; redirects += 1) {
      page = await browser.get(page.location);
      // This browser drops the session cookie.
      for (const [key, { name }] of browser.jar.cookies) {
        if (name.startsWith('session')) browser.jar.cookies.delete(key);
      }
    }
    expect([page.status, codeOn(page)]).toEqual([400, 'sign_in_loop']);
    // Chromium and Firefox stop after 20; an AuthKit that redirects twice lengthens each round.
    expect(redirects).toBeLessThan(16);
    expect(page.body).toContain('href="/login?return_to=%2Fprofile"');
    expect((await browser.open(`${app.url}/login?return_to=/profile`)).url.pathname).toBe(
      '/profile',
    );
  });

  it('ignores a browser with several tabs, and one that signs in from time to time', async () => {
    const browser = new Browser();
    for (let tab = 0; tab < 12; tab += 1) {
      expect((await browser.get(`${app.url}/login?return_to=/t/${tab}`)).status).toBe(302);
    }
    for (let time = 1; time < 12; time += 1) {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 });
      expect((await browser.get(`${app.url}/login?return_to=/profile`)).status).toBe(302);
    }
  });
});

describe('an invalid cookie', () => {
  it.each([
    ['without a signature', 'garbage'],
    ['signed with another secret', 's%3Aabc.def'],
    ['with a bad encoding', '%E0%A4%A'],
    ['with an empty value', ''],
  ])('%s counts as signed out, and is not cleared', async (_what, value) => {
    for (const name of ['session', '__Host-session', 'sign-in']) {
      const { status, headers } = await call(app.url, {
        headers: [['cookie', `${name}=${value}`]],
      });
      expect([status, headers['set-cookie']]).toEqual([200, undefined]);
    }
  });
});
