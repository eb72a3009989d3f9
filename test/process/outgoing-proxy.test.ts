// Requests to AuthKit through the proxy of HTTPS_PROXY: a real CONNECT proxy with TLS inside.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createProxiedFetch } from '../../src/process/outgoing-proxy.ts';
import { freePort, signIn, startTestApp, untilReady } from '../support/app/app.ts';
import { startServer } from '../support/app/server-process.ts';
import { Browser } from '../support/browser/browser.ts';
import { json } from '../support/authkit/issuer.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import {
  BEYOND,
  CREDENTIALS,
  PASSWORD,
  startForwardProxy,
  type ForwardProxy,
} from '../support/deploy/forward-proxy.ts';
import { findLeaks } from '../support/reading/leaks.ts';

const ISSUER = `https://${BEYOND}`;
let folder: string;
let ca: string;
let issuer: SignInIssuer;
let proxy: ForwardProxy;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxy-'));
  ca = join(folder, 'ca.pem');
  issuer = await startSignInIssuer(ISSUER);
  proxy = await startForwardProxy(issuer.address, ca);
});
afterEach(() => {
  proxy.mode = 'open';
  proxy.tunnels.splice(0);
});
afterAll(async () => {
  proxy.close();
  await issuer.close();
  await rm(folder, { recursive: true, force: true });
});

const expectNoPassword = (text: string) => expect(findLeaks({ PASSWORD }, text)).toEqual([]);

/** A browser that reaches the issuer without the proxy. */
async function openDirectly(browser: Browser, url: string): Promise<string> {
  let page = await browser.get(url);
  while (page.location !== undefined)
    page = await browser.get(page.location.href.replace(ISSUER, issuer.address));
  return page.body;
}

describe('the app with HTTPS_PROXY', () => {
  it(
    'sends every request to the issuer through the proxy, and no other',
    { timeout: 120_000 },
    async () => {
      issuer.vary = {
        metadata: {
          introspection_endpoint: `${ISSUER}/oauth2/introspection`,
          revocation_endpoint: `${ISSUER}/oauth2/revoke`,
        },
        // Without a name, the app asks UserInfo; after five seconds, it refreshes.
        idToken: { name: undefined },
        response: { expires_in: 1 },
      };
      const revoked = vi.fn();
      issuer.respondAt('/oauth2/revoke', (_req, res) => {
        revoked();
        json(res, {});
      });
      const port = await freePort();
      const url = `http://localhost:${port}`;
      const server = await startServer({
        ...issuer.env,
        API_AUDIENCE: 'client_environment',
        PORT: String(port),
        SESSION_DB: join(folder, 'sessions.db'),
        NODE_EXTRA_CA_CERTS: ca,
        https_proxy: proxy.url,
        HTTP_PROXY: proxy.url,
      });
      onTestFinished(() => void server.child.kill('SIGKILL'));
      const browser = new Browser();
      expect(await openDirectly(browser, `${url}/login?return_to=/profile`)).toContain('nora@');
      const grants = () => new Set(issuer.exchanges.map((form) => form.get('grant_type')));
      await vi.waitUntil(
        async () => {
          expect(await openDirectly(browser, `${url}/api-call`)).toContain('user_01');
          return grants().has('refresh_token');
        },
        { timeout: 30_000, interval: 500 },
      );
      const headers = { authorization: `Bearer ${await issuer.sign()}` };
      expect((await fetch(`${url}/api/me/active`, { headers })).status).toBe(200);
      await browser.press('Sign out');
      await vi.waitUntil(() => revoked.mock.calls.length > 0);

      expect([...issuer.hits.keys()].toSorted()).toEqual([
        '/.well-known/openid-configuration',
        '/oauth2/authorize',
        '/oauth2/introspection',
        '/oauth2/jwks',
        '/oauth2/revoke',
        '/oauth2/token',
        '/oauth2/userinfo',
      ]);
      expect(proxy.tunnels).not.toEqual([]);
      for (const tunnel of proxy.tunnels)
        expect(tunnel).toEqual({ target: `${BEYOND}:443`, credentials: CREDENTIALS });
      expect(server.output).toContain(`Proxy         127.0.0.1:${proxy.port}\n`);
      expectNoPassword(server.output);
    },
  );

  it('asks a loopback issuer directly', async () => {
    const env = { HTTPS_PROXY: proxy.url, https_proxy: proxy.url, HTTP_PROXY: proxy.url };
    const app = await startTestApp({ env });
    onTestFinished(() => app.close());
    await untilReady(app);
    const browser = await signIn(app);
    expect((await browser.open(`${app.url}/api-call`)).status).toBe(200);
    expect(proxy.tunnels).toEqual([]);
  });

  it.each<[ForwardProxy['mode'], RegExp]>([
    [407, /does not accept the user and password \(status 407 for authkit\.test:443\)/],
    [403, /refuses \(status 403 for authkit\.test:443\)/],
    ['silent', /does not respond/],
    ['hangs up', /cannot be used \(UND_ERR_SOCKET\)/],
  ])('names the proxy in the log and on the page if it responds: %s', async (mode, said) => {
    proxy.mode = mode;
    const app = await startTestApp({ env: { AUTHKIT_ISSUER: ISSUER, HTTPS_PROXY: proxy.url } });
    onTestFinished(() => app.close());
    const named = `HTTPS_PROXY: the proxy 127.0.0.1:${proxy.port} `;
    const line = await vi.waitUntil(
      () => app.log.find(({ event }) => event === 'issuer_unavailable'),
      { timeout: 20_000 },
    );
    expect(line).toMatchObject({ level: 'error', code: 'issuer_unreachable' });
    expect(line['hint']).toContain(`${ISSUER} (issuer_unreachable): ${named}`);
    expect(line['hint']).toMatch(said);
    const page = await new Browser().open(`${app.url}/login`);
    expect(page.status).toBe(503);
    expect(page.body).toContain('and HTTPS_PROXY if it is set');
    expect(page.body).toContain(named);
    const response = await fetch(`${app.url}/api/me`, {
      headers: { authorization: `Bearer ${await issuer.sign()}` },
    });
    expect(response.status).toBe(503);
    const refused = app.log.find(({ event }) => event === 'keys_unreachable');
    expect(refused?.['reason']).toContain(named);
    expectNoPassword(page.body + JSON.stringify(app.log) + (await response.text()));
  });
});

const send = (url: string, noProxy = '', proxyUrl = proxy.url) =>
  createProxiedFetch({ url: proxyUrl, noProxy })(url, { signal: AbortSignal.timeout(20_000) });

describe('a request with the proxy', () => {
  it.each([
    ['', true],
    ['other.test', true],
    ['kit.test', true],
    ['authkit.test:8443', true],
    [BEYOND, false],
    ['other.test, AUTHKIT.test', false],
    ['.test', false],
    ['*.test', false],
    ['authkit.test:443', false],
    ['*', false],
  ])('with NO_PROXY=%s goes through it: %s', async (noProxy, isTunneled) => {
    await expect(send(ISSUER, noProxy)).rejects.toThrow('fetch failed');
    expect(proxy.tunnels.length > 0).toBe(isTunneled);
  });

  it.each(['https://localhost:9', 'https://127.0.0.1:9', 'https://[::1]:9', 'http://localhost:9'])(
    'never goes through it to %s',
    async (url) => {
      await expect(send(url)).rejects.toThrow('fetch failed');
      expect(proxy.tunnels).toEqual([]);
    },
  );

  it('opens one tunnel only if the proxy hangs up', async () => {
    proxy.mode = 'hangs up';
    await expect(send(ISSUER)).rejects.toThrow('fetch failed');
    expect(proxy.tunnels).toHaveLength(1);
  });

  it('works again after the proxy was silent', async () => {
    const fetchThrough = createProxiedFetch({ url: proxy.url, noProxy: '' });
    proxy.mode = 'silent';
    const cut = { signal: AbortSignal.timeout(200) };
    await expect(fetchThrough(ISSUER, cut)).rejects.toThrow('timeout');
    proxy.mode = 403;
    await expect(fetchThrough(ISSUER)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('403') },
    });
  });

  it.each([
    ['is down', async () => `http://127.0.0.1:${await freePort()}`, 'ECONNREFUSED'],
    ['has an unknown name', () => 'http://proxy.invalid:3128', 'ENOTFOUND'],
    ['speaks no HTTP', () => proxy.url, 'not HTTP'],
    ['speaks no TLS', () => `https://localhost:${proxy.port}`, 'ERR_SSL'],
  ])('fails with a reason if the proxy %s', async (_, proxyUrl, reason) => {
    proxy.mode = 'speaks no HTTP';
    const url = await proxyUrl();
    await expect(send(ISSUER, '', url)).rejects.toMatchObject({
      name: 'TypeError',
      cause: {
        name: 'ProxyError',
        message: expect.stringMatching(
          `^HTTPS_PROXY: the proxy ${new URL(url).host} cannot be used \\(${reason}`,
        ),
      },
    });
  });
});
