// Discovery runs in the background. Without the issuer the app still starts, and serves every page
// that does not need it.
import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort, signIn, startTestApp, untilReady, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn, whoIs } from '../support/browser/callback.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';

let app: TestApp;
beforeEach(async () => {
  app = await startTestApp();
});
afterEach(() => app.close());

const readyz = async () => {
  const { status, body } = await new Browser().fetch(`${app.url}/readyz`);
  return { status, ...JSON.parse(body) } as Record<string, unknown>;
};

/** The pauses before each new attempt, in seconds. */
const pauses = () =>
  app.log.flatMap(({ event, retryInSeconds }) =>
    event === 'issuer_unavailable' ? [Number(retryInSeconds)] : [],
  );

const json =
  (body: unknown): RequestListener =>
  (_req, res) =>
    res.setHeader('content-type', 'application/json').end(JSON.stringify(body));

describe('before the issuer is reached', () => {
  beforeEach(async () => {
    app.authKit.control.fault({ endpoint: 'discovery', kind: 'cut' });
    await app.restart();
    await expect
      .poll(() => app.log)
      .toContainEqual(expect.objectContaining({ event: 'issuer_unavailable' }));
  });

  it('public pages are served, and /login gets 503 with Retry-After', async () => {
    const browser = new Browser();
    for (const path of ['/', '/signed-out', '/healthz', '/assets/styles.css']) {
      expect((await browser.get(`${app.url}${path}`)).status, path).toBe(200);
    }
    const page = await browser.get(`${app.url}/login?return_to=/profile`);
    expect([page.status, codeOn(page)]).toEqual([503, 'issuer_unreachable']);
    expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
    expect(page.body).toContain('href="/login?return_to=%2Fprofile"');
    expect(browser.jar.names().filter((name) => name.startsWith('sign-in.'))).toEqual([]);
  });

  it('/readyz names the issuer as missing, and sign-in works once it is reachable', async () => {
    expect(await readyz()).toMatchObject({ status: 'down', missing: ['issuer'] });
    expect((await new Browser().fetch(`${app.url}/readyz`)).status).toBe(503);
    app.authKit.control.reset();
    await untilReady(app);
    expect((await signIn(app)).page?.url.pathname).toBe('/profile');
    expect(app.log).toContainEqual(
      expect.objectContaining({ event: 'issuer_discovered', issuer: app.authKit.issuer }),
    );
  });

  it('discovery is tried again after growing pauses of at most 30 seconds', async () => {
    await expect.poll(() => pauses().length).toBeGreaterThanOrEqual(4);
    for (const seconds of pauses()) expect(seconds).toBeLessThanOrEqual(30);
    expect(pauses()[3]).toBeGreaterThan(pauses()[0] ?? 0);
  });

  it('a user who is already signed in stays signed in', async () => {
    app.authKit.control.reset();
    await untilReady(app);
    const browser = await signIn(app);
    app.authKit.control.fault({ endpoint: 'discovery', kind: 'cut' });
    await app.restart();
    expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  });
});

it('sign-ins that wait for the issuer share one discovery', async () => {
  await untilReady(app);
  const before = app.authKit.control.requests().discovery;
  app.authKit.control.fault({ endpoint: 'discovery', kind: 'slow', seconds: 1 });
  await app.restart();
  const starts = await Promise.all(
    Array.from({ length: 20 }, () => new Browser().get(`${app.url}/login`)),
  );
  expect(new Set(starts.map(({ status }) => status))).toEqual(new Set([302]));
  expect(app.authKit.control.requests().discovery - before).toBe(1);
});

it('readiness probes share one discovery every few seconds', async () => {
  await untilReady(app);
  const before = app.authKit.control.requests().discovery;
  app.authKit.control.fault({ endpoint: 'discovery', kind: 'slow', seconds: 0.5 });
  passMonotonic(10_000);
  await Promise.all(Array.from({ length: 20 }, readyz));
  await Promise.all(Array.from({ length: 20 }, readyz));
  expect(app.authKit.control.requests().discovery - before).toBe(1);
});

it('metadata older than five minutes is fetched again without delaying a sign-in', async () => {
  await untilReady(app);
  const { control } = app.authKit;
  const before = control.requests().discovery;
  expect((await new Browser().get(`${app.url}/login`)).status).toBe(302);
  expect(control.requests().discovery - before).toBe(0);
  passMonotonic(301_000);
  control.fault({ endpoint: 'discovery', kind: 'slow', seconds: 0.2 });
  expect((await new Browser().get(`${app.url}/login`)).status).toBe(302);
  await expect.poll(() => control.requests().discovery - before).toBe(1);
  control.reset();
});

it('an outage of a known issuer makes the app degraded, not down', async () => {
  const browser = await signIn(app);
  app.authKit.control.fault({ endpoint: 'discovery', kind: 'cut' });
  await expect.poll(readyz).toMatchObject({ status: 'degraded' });
  expect((await new Browser().fetch(`${app.url}/readyz`)).status).toBe(200);
  expect(await whoIs(browser, app)).toBe('Bruno Okafor');
  // The discovered metadata is kept, so the browser can still be sent to AuthKit.
  expect((await browser.get('/login')).status).toBe(302);
  app.authKit.control.reset();
  await expect.poll(readyz).toMatchObject({ status: 'ok' });
});

describe('an issuer with bad metadata', () => {
  let server: Server;
  let issuer: string;
  let respond: RequestListener;
  beforeEach(async () => {
    const port = await freePort();
    issuer = `http://localhost:${port}`;
    server = createServer((req, res) => respond(req, res)).listen(port);
    await once(server, 'listening');
  });
  afterEach(() => server.close());

  it('is refused when it names another issuer, and the page shows both names', async () => {
    respond = json({ issuer: 'https://other.authkit.app', jwks_uri: 'https://other' });
    await app.restart({ AUTHKIT_ISSUER: issuer });
    const page = await new Browser().get(`${app.url}/login`);
    expect([page.status, codeOn(page)]).toEqual([502, 'issuer_mismatch']);
    const line = app.log.find(({ event }) => event === 'issuer_unavailable');
    const hint = `Configured issuer "${issuer}/", advertised issuer "https://other.authkit.app".`;
    expect(line).toMatchObject({ level: 'error', code: 'issuer_mismatch', hint });
    expect(page.body).toContain('advertised issuer');
  });

  it.each<[string, RequestListener]>([
    ['an HTML page', (_req, res) => res.setHeader('content-type', 'text/html').end('<p>Hello')],
    ['status 404', (_req, res) => res.writeHead(404).end()],
    ['malformed JSON', (_req, res) => res.setHeader('content-type', 'application/json').end('{')],
    ['a list', json([])],
    ['a redirect', (_req, res) => res.writeHead(302, { location: 'https://other' }).end()],
    ['a megabyte', json({ pad: 'x'.repeat(1_000_000) })],
  ])(
    'makes /login respond with 503 after %s, and the app keeps running',
    async (_case, listener) => {
      respond = listener;
      await app.restart({ AUTHKIT_ISSUER: issuer });
      const page = await new Browser().get(`${app.url}/login`);
      expect([page.status, codeOn(page)]).toEqual([503, 'issuer_unreachable']);
      expect((await new Browser().get(app.url)).status).toBe(200);
    },
  );

  it.each([
    ['authorization_endpoint', 'http://0.0.0.0:9/a'],
    ['token_endpoint', 'http://authkit.example/token'],
    ['jwks_uri', 'http://authkit.example/keys'],
    ['userinfo_endpoint', 'ftp://localhost/'],
    ['introspection_endpoint', '/oauth2/introspection'],
    ['revocation_endpoint', 7],
    ['end_session_endpoint', null],
  ])('is refused when its %s is %j', async (member, value) => {
    const endpoints = { authorization_endpoint: issuer, token_endpoint: issuer, jwks_uri: issuer };
    respond = json({ issuer, ...endpoints, [member]: value });
    await app.restart({ AUTHKIT_ISSUER: issuer });
    expect(codeOn(await new Browser().get(`${app.url}/login`))).toBe('issuer_unreachable');
    const line = app.log.findLast(({ event }) => event === 'issuer_unavailable');
    expect(line?.['hint']).toContain(`: ${member} is not https.`);
  });

  it('makes /login respond with 504 after five seconds without a response', async () => {
    respond = () => undefined;
    await app.restart({ AUTHKIT_ISSUER: issuer });
    const page = await new Browser().get(`${app.url}/login`);
    expect([page.status, codeOn(page)]).toEqual([504, 'issuer_timeout']);
    server.closeAllConnections();
  });
});
