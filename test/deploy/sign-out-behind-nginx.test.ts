// The longest sign-out redirect behind nginx, configured with the file of deploy/: a response
// larger than its buffer would give a 502 and leave the user signed in.
import type { RequestOptions } from 'node:https';
import { afterAll, beforeAll, expect } from 'vitest';
import { freePort, startTestApp, untilReady, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { startProxy, type Proxy } from '../support/deploy/proxies.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { it } = withParts('nginx');

let issuer: SignInIssuer;
let app: TestApp;
let proxy: Proxy;
let baseUrl: URL;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  issuer.vary = { metadata: { end_session_endpoint: `${issuer.url}/oauth2/logout` } };
  baseUrl = new URL(`https://forum.localhost:${await freePort()}`);
  const env = { ...issuer.env, BASE_URL: baseUrl.origin, TRUST_PROXY: '1' };
  app = await startTestApp({ env });
  await untilReady(app);
  const httpPort = await freePort();
  proxy = await startProxy('nginx', { baseUrl, httpPort, instances: [app.port, app.port] });
});
afterAll(async () => {
  await proxy.close();
  await app.close();
  await issuer.close();
});

const lookup: RequestOptions['lookup'] = (_host, { all }, found) =>
  all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);

/** Signs in with an ID token of this length, then out; returns the URL of the redirect. */
async function signOut(length: number) {
  issuer.vary = { idToken: { roles: 'r'.repeat(length) } };
  const browser = new Browser({ ca: proxy.ca, lookup });
  const page = await browser.open(`${baseUrl.origin}/login?return_to=/profile`);
  expect([page.status, page.url.href]).toEqual([200, `${baseUrl.origin}/profile`]);
  const out = await browser.post(`${baseUrl.origin}/logout`);
  expect(out.status).toBe(303);
  expect(browser.jar.find('__Host-session')).toBeUndefined();
  return out.location;
}

const isHinted = (url?: URL) => url?.searchParams.has('id_token_hint') === true;

it('POST /logout clears the cookie and redirects, with an id_token_hint up to the size limit', async () => {
  const short = await signOut(0);
  expect(isHinted(short)).toBe(true);
  // Base64 turns three bytes into four characters.
  const room = Math.floor(((4_096 - (short?.href.length ?? 0)) * 3) / 4) - 8;
  const longest = await signOut(room);
  expect(isHinted(longest)).toBe(true);
  expect(longest?.href.length).toBeGreaterThan(4_000);
  expect(isHinted(await signOut(room + 100))).toBe(false);
  expect(isHinted(await signOut(20_000))).toBe(false);
});
