// Data of a host app in `req.session`, read and written by several instances. Each instance
// remembers what it opened last, and must not serve or write that in place of newer data.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAuth } from '../../../src/auth/index.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { settingsFor, signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import type { Browser } from '../../support/browser/browser.ts';

declare module 'express-session' {
  interface SessionData {
    visits?: number;
  }
}

let app: TestApp;
const closers: (() => unknown)[] = [];
const hosts: { url: string; store: Store }[] = [];
let browser: Browser;
const events = new EventEmitter();
let ahead = 0;

beforeAll(async () => {
  app = await startTestApp();
  browser = await signIn(app);
  for (let i = 0; i < 2; i += 1) hosts.push(await startHost());
});
afterAll(async () => {
  for (const close of closers) await close();
  await app.close();
});

/** A host app on the sessions of the demo: same store, same secret. */
async function startHost() {
  const { store } = await openStore({ file: app.env['SESSION_DB'] ?? '' });
  const { AUTHKIT_ISSUER = '', OAUTH_APP_CLIENT_ID = '' } = settingsFor(app.authKit, 'firstParty');
  const auth = createAuth({
    issuer: new URL(AUTHKIT_ISSUER),
    clientId: OAUTH_APP_CLIENT_ID,
    baseUrl: new URL(app.url),
    sessionSecrets: [app.env['SESSION_SECRET'] ?? ''],
    records: store,
  });
  const host = express().use(auth.session, auth.hostSession);
  host.get('/visits', (req, res) => void res.json(req.session.visits ?? null));
  host.post('/visits', (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.json(req.session.visits);
  });
  host.get('/slow', async (_req, res) => {
    await once(events, 'go on');
    res.json('late');
  });
  addForgingPages(host);
  const server = createServer(host).listen(0, 'localhost');
  await once(server, 'listening');
  closers.push(
    () => auth.close(),
    () => server.close(),
    () => store.close(),
  );
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, store };
}

/** Pages that try to change the sign-in through `req.user` and `req.session`. */
function addForgingPages(host: Express): void {
  host.get('/who', (req, res) => void res.json(req.user ?? null));
  host.post('/rename', (req, res) => {
    if (req.user) req.user.name = 'Mallory';
    if (req.session.signedIn) req.session.signedIn.startedAt = 0;
    res.json(Reflect.set(req.session.signedIn?.user ?? {}, 'name', 'Mallory'));
  });
}

const on = async (instance: 0 | 1, method: string, path: string) =>
  JSON.parse((await browser.fetch(`${hosts[instance]?.url}${path}`, { method })).body) as unknown;

describe('req.session on two instances', () => {
  it('shows what another instance wrote at once', async () => {
    expect(await on(0, 'GET', '/visits')).toBeNull();
    expect(await on(1, 'GET', '/visits')).toBeNull();
    for (let visits = 1; visits <= 5; visits += 1) {
      const writer = visits % 2 === 0 ? 0 : 1;
      expect(await on(writer, 'POST', '/visits')).toBe(visits);
      expect(await on(0, 'GET', '/visits')).toBe(visits);
      expect(await on(1, 'GET', '/visits')).toBe(visits);
    }
  });

  it('is not overwritten by a slow page that only notes the use of the session', async () => {
    const visits = Number(await on(0, 'GET', '/visits'));
    // Each run of this test moves the clock on, so that noting the use is due.
    ahead += 61_000;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ahead });
    try {
      const slow = on(0, 'GET', '/slow');
      await vi.waitUntil(() => events.listenerCount('go on') === 1);
      expect(await on(1, 'POST', '/visits')).toBe(visits + 1);
      events.emit('go on');
      expect(await slow).toBe('late');
      expect(await on(0, 'GET', '/visits')).toBe(visits + 1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves the sign-in unchanged when it is written', async () => {
    await on(0, 'POST', '/visits');
    expect(await on(1, 'GET', '/who')).toMatchObject({
      name: 'Bruno Okafor',
      orgId: expect.stringMatching(/^org_/),
    });
    expect((await browser.get(`${app.url}/profile`)).body).toContain('bruno.okafor@example.com');
  });

  it('cannot change who is signed in for the next request', async () => {
    expect(await on(0, 'POST', '/rename')).toBe(false);
    expect(await on(0, 'GET', '/who')).toMatchObject({ name: 'Bruno Okafor' });
    expect(await on(1, 'GET', '/who')).toMatchObject({ name: 'Bruno Okafor' });
  });

  it('is not served from memory once the session has ended on another instance', async () => {
    expect(await on(0, 'GET', '/who')).not.toBeNull();
    expect(await on(1, 'GET', '/who')).not.toBeNull();
    await browser.get(`${app.url}/profile`);
    const copy = browser.jar.find('session')?.line ?? '';
    await browser.press('Sign out');
    browser.jar.store(new URL(app.url), [copy]);
    expect(await on(0, 'GET', '/who')).toBeNull();
    expect(await on(1, 'GET', '/who')).toBeNull();
  });
});
