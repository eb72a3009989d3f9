// Mistakes of a host app: it writes forged values into its session, its log fails, it mounts a
// sign-out of its own, it forgets auth.session. None of them makes sign-in unsafe.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { currentUser } from '../../src/auth/index.ts';
import { startHostApp, type HostApp } from '../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';

let issuer: SignInIssuer;
let host: HostApp;
let told = 0;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  const options = {
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    clientSecret: 'a secret',
    // Throws and rejects in turn.
    onEvent: () => {
      told += 1;
      const failure = new Error('the log is full');
      if (told % 2 === 0) throw failure;
      return Promise.reject(failure);
    },
  };
  host = await startHostApp(options, (app, auth) => {
    app.use(auth.session, auth.hostSession, auth.routes);
    app.post('/settings', express.json(), (req, res) => {
      Object.assign(req.session, req.body);
      res.json(Object.keys(req.session));
    });
    app.get('/who', auth.requireLogin, (req, res) => void res.json(currentUser(req).sub));
    app.post('/bye', auth.signOut);
    app.post('/bye-everywhere', auth.signOutEverywhere);
  });
});
afterAll(async () => {
  await host.close();
  await issuer.close();
});

const user = () => ({ issuer: 'https://other.example', sub: 'another user' });
const forged = () => ({
  signedIn: { user: user(), clientId: CLIENT_ID, claims: {}, startedAt: 0, endsAt: 1e15 },
  newTokens: { tokens: { accessToken: 'x' }, facts: { scope: [], expiresAt: 1e15 }, label: '' },
  asStored: { signedIn: { user: user() } },
  newSignIn: { signedIn: { user: user() } },
  stored: { signedIn: { user: user() } },
});

const post = (browser: Browser, path: string, body: object = {}, headers = {}) =>
  browser.fetch(host.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const who = (browser: Browser) => browser.fetch(`${host.url}/who`);

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${host.url}/login`);
  expect((await who(browser)).status).toBe(200);
  return browser;
}

describe('forged sign-in data in req.session', () => {
  it('does not sign a visitor in', async () => {
    const browser = new Browser();
    expect((await post(browser, '/settings', forged())).status).toBe(200);
    expect(browser.jar.names()).toContain('session');
    expect((await who(browser)).status).toBe(401);
  });

  it('does not change who is signed in', async () => {
    const browser = await signedIn();
    const before = (await who(browser)).body;
    await post(browser, '/settings', forged());
    expect((await who(browser)).body).toBe(before);
  });
});

describe('an onEvent that throws and rejects', () => {
  it('stops neither sign-in nor sign-out', async () => {
    const browser = await signedIn();
    expect((await post(browser, '/bye')).status).toBe(303);
    expect((await who(browser)).status).toBe(401);
    expect(told).toBeGreaterThan(2);
  });
});

describe('a sign-out route of the host app', () => {
  it.each(['/bye', '/bye-everywhere'])('refuses POST %s from another site', async (path) => {
    const browser = await signedIn();
    const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    expect((await post(browser, path, {}, foreign)).status).toBe(403);
    expect((await who(browser)).status).toBe(200);
  });
});

describe('auth.session missing or mounted too late', () => {
  it.each<[string, (app: Express) => unknown]>([
    ['a guard', (app) => app.get('/page', host.auth.requireLogin)],
    ['a guard for a fresh token', (app) => app.get('/page', host.auth.requireFreshToken)],
    [
      'the routes',
      (app) => app.use(host.auth.routes).get('/page', (_req, res) => res.redirect('/callback')),
    ],
  ])('makes %s fail with an error that names it', async (_what, wire) => {
    const app = express();
    wire(app);
    app.use(host.auth.session);
    app.use(((error, _req, res, _next) => {
      res.status(500).send(String(error));
    }) satisfies ErrorRequestHandler);
    const server = createServer(app).listen(0, 'localhost');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const page = await new Browser().open(`http://localhost:${port}/page`);
    expect(page.body).toContain(
      'app.use(auth.session) is missing, or is mounted after what needs it',
    );
    server.close();
  });
});
