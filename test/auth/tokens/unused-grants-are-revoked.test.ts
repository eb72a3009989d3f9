// A refresh token that no session uses is revoked at AuthKit (RFC 7009): otherwise a grant that no
// user can end stays valid there.
import { text } from 'node:stream/consumers';
import type { Express } from 'express';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Auth, AuthOptions, SignInEvent } from '../../../src/auth/index.ts';
import { Browser } from '../../support/browser/browser.ts';
import { startHostApp, type HostApp } from '../../support/app/host.ts';
import { pass } from '../../support/app/issuer-app.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let host: HostApp;
let revoked: (string | null)[];
let events: SignInEvent[];

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  revoked = [];
  events = [];
  issuer = await startSignInIssuer();
  issuer.vary = { metadata: { revocation_endpoint: `${issuer.url}/oauth2/revocation` } };
  issuer.respondAt('/oauth2/revocation', (req, res) => {
    void text(req).then((body) => revoked.push(new URLSearchParams(body).get('token')));
    res.end();
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await host.close();
  await issuer.close();
});

const onEvent = (event: SignInEvent) => void events.push(event);

async function start(options: Partial<AuthOptions> = {}): Promise<void> {
  const own = { clientId: CLIENT_ID, clientSecret: 'a-client-secret-of-the-tests', onEvent };
  host = await startHostApp(
    { issuer: new URL(issuer.url), ...own, ...options },
    (app: Express, auth: Auth) => {
      app.use(auth.session, auth.routes);
      app.get('/who', auth.requireLogin, (req, res) => void res.json(req.user));
    },
  );
}
const signIn = (browser = new Browser()) => browser.open(`${host.url}/login?return_to=/who`);
const refreshed = () => events.filter(({ event }) => event === 'tokens_refreshed');

describe('a sign-in', () => {
  it('revokes its refresh token when the store fails to save the session', async () => {
    await start();
    host.broken.add('insert');
    expect((await signIn()).status).toBe(503);
    await vi.waitFor(() => expect(revoked).toEqual(['a-refresh-token']));
  });

  it('revokes its refresh token when onSignIn rejects', async () => {
    await start({ onSignIn: () => Promise.reject(new Error('the account is locked')) });
    expect((await signIn()).status).toBe(503);
    await vi.waitFor(() => expect(revoked).toEqual(['a-refresh-token']));
  });

  it('revokes its refresh token and keeps the session before it when labelSession throws', async () => {
    let isBroken = false;
    const labelSession = () => {
      if (isBroken) throw new TypeError('no User-Agent');
      return '';
    };
    await start({ labelSession });
    const browser = new Browser();
    await signIn(browser);
    isBroken = true;
    const page = await signIn(browser);
    expect([page.status, page.body]).toEqual([503, expect.stringContaining('on_sign_in_failed')]);
    expect((await browser.get(`${host.url}/who`)).status).toBe(200);
    await vi.waitFor(() => expect(revoked).toEqual(['a-refresh-token']));
  });

  it('revokes nothing when it succeeds, or when its ID token is refused', async () => {
    await start();
    expect((await signIn()).status).toBe(200);
    issuer.vary = { ...issuer.vary, idToken: { nonce: 'another' } };
    expect((await signIn()).status).toBe(502);
    expect(revoked).toEqual([]);
  });

  it('revokes the refresh token of the session that it replaces', async () => {
    await start();
    const browser = new Browser();
    expect((await signIn(browser)).status).toBe(200);
    issuer.vary = { ...issuer.vary, response: { refresh_token: 'the-second-refresh-token' } };
    expect((await signIn(browser)).status).toBe(200);
    await vi.waitFor(() => expect(revoked).toEqual(['a-refresh-token']));
  });
});

describe('refreshed tokens that the store fails to save', () => {
  let browser: Browser;
  beforeEach(async () => {
    await start();
    browser = new Browser();
    await signIn(browser);
    issuer.vary = { ...issuer.vary, response: { refresh_token: 'the-second-refresh-token' } };
    host.broken.add('replaceTokens');
    pass(270);
    await browser.get(`${host.url}/who`);
    expect(refreshed()).toEqual([]);
  });

  it('are saved once the store is back, with one refresh and its event', async () => {
    host.broken.clear();
    await vi.waitFor(() => expect(refreshed()).toHaveLength(1));
    expect((await browser.get(`${host.url}/who`)).status).toBe(200);
    const grants = issuer.exchanges.map((form) => form.get('grant_type'));
    expect(grants.filter((grant) => grant === 'refresh_token')).toHaveLength(1);
    expect(revoked).toEqual([]);
  });

  it('are saved before the app closes, even if the browser has gone away', async () => {
    host.broken.clear();
    await vi.waitFor(() => expect(refreshed()).toHaveLength(1));
    const waiting: (() => void)[] = [];
    issuer.vary = {
      ...issuer.vary,
      token: (_req, res) =>
        void waiting.push(() => {
          res.setHeader('content-type', 'application/json');
          res.end('{"access_token":"a","refresh_token":"third","token_type":"Bearer"}');
        }),
    };
    pass(270);
    const gone = new AbortController();
    const cookie = `${browser.jar.find('session')?.name}=${browser.jar.find('session')?.value}`;
    const visit = fetch(`${host.url}/who`, { headers: { cookie }, signal: gone.signal });
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    gone.abort();
    await expect(visit).rejects.toThrow('aborted');
    const closed = host.auth.close();
    waiting[0]?.();
    await closed;
    expect(refreshed()).toHaveLength(2);
  });

  it('are revoked when the user has signed out meanwhile', async () => {
    expect((await browser.post(`${host.url}/logout`)).status).toBe(303);
    host.broken.clear();
    await vi.waitFor(() => expect(revoked).toContain('the-second-refresh-token'));
    expect(refreshed()).toEqual([]);
  });
});
