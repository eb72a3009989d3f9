// What a host does wrong around sign-in does not make it unsafe.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuth, currentUser } from '../../src/auth/index.ts';
import { openStore } from '../../src/store/index.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { CLIENT_ID, startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { temporaryFiles } from '../support/store/stores.ts';

const newFile = temporaryFiles();
const closers: (() => unknown)[] = [];
let url: string;
let told = 0;

beforeAll(async () => {
  url = `http://localhost:${await freePort()}`;
  const issuer = await startSignInIssuer();
  const { store } = await openStore({ file: newFile() });
  const auth = createAuth({
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    clientSecret: 'a secret',
    baseUrl: new URL(url),
    sessionSecrets: ['a secret of more than sixteen characters'],
    records: store,
    // Sometimes it throws, sometimes it rejects.
    onEvent: () => {
      told += 1;
      const failure = new Error('the log is full');
      if (told % 2 === 0) throw failure;
      return Promise.reject(failure);
    },
  });
  const host = express().use(auth.session, auth.hostSession, auth.routes);
  host.post('/settings', express.json(), (req, res) => {
    Object.assign(req.session, req.body);
    res.json(Object.keys(req.session));
  });
  host.get('/who', auth.requireLogin, (req, res) => void res.json(currentUser(req).sub));
  host.post('/bye', auth.signOut);
  host.post('/bye-everywhere', auth.signOutEverywhere);
  const server = createServer(host).listen(Number(new URL(url).port), 'localhost');
  await once(server, 'listening');
  closers.push(
    () => auth.close(),
    () => server.close(),
    () => store.close(),
    () => issuer.close(),
  );
  expect((server.address() as AddressInfo).port).toBe(Number(new URL(url).port));
});
afterAll(async () => {
  for (const close of closers) await close();
});

const user = () => ({ issuer: 'https://other.example', sub: 'somebody else' });
const forged = () => ({
  signedIn: { user: user(), clientId: CLIENT_ID, claims: {}, startedAt: 0, endsAt: 1e15 },
  newTokens: { tokens: { accessToken: 'x' }, facts: { scope: [], expiresAt: 1e15 }, label: '' },
  asStored: { signedIn: { user: user() } },
  newSignIn: { signedIn: { user: user() } },
  stored: { signedIn: { user: user() } },
});

const post = (browser: Browser, path: string, body: object = {}, headers = {}) =>
  browser.fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${url}/login`);
  expect((await browser.fetch(`${url}/who`)).status).toBe(200);
  return browser;
}

it('signs nobody in who writes into req.session what a sign-in writes there', async () => {
  const browser = new Browser();
  expect((await post(browser, '/settings', forged())).status).toBe(200);
  expect(browser.jar.names()).toContain('session');
  expect((await browser.fetch(`${url}/who`)).status).toBe(401);
});

it('makes nobody of a signed-in person whom they are not', async () => {
  const browser = await signedIn();
  const before = (await browser.fetch(`${url}/who`)).body;
  await post(browser, '/settings', forged());
  expect((await browser.fetch(`${url}/who`)).body).toBe(before);
});

it('signs in and out although the host’s log throws and rejects', async () => {
  const browser = await signedIn();
  expect((await post(browser, '/bye')).status).toBe(303);
  expect((await browser.fetch(`${url}/who`)).status).toBe(401);
  expect(told).toBeGreaterThan(2);
});

it.each(['/bye', '/bye-everywhere'])('signs nobody out for another site at %s', async (path) => {
  const browser = await signedIn();
  const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
  expect((await post(browser, path, {}, foreign)).status).toBe(403);
  expect((await browser.fetch(`${url}/who`)).status).toBe(200);
});
