// express-session starts where a route uses `req.session`, and then works as it always does.
import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import express, { type RequestHandler } from 'express';
import session from 'express-session';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { createAuth, type SessionRecords } from '../src/auth/index.ts';
import { openStore, type Store } from '../src/store/index.ts';
import { settingsFor, signIn, startTestApp, type TestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';

declare module 'express-session' {
  interface SessionData {
    basket?: string[];
  }
}

let app: TestApp;
let browser: Browser;
let store: Store;
let calls: string[];
let failures: string[];
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  app = await startTestApp();
  browser = await signIn(app);
  ({ store } = await openStore({ file: app.env['SESSION_DB'] ?? '' }));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(async () => {
  await store.close();
  await app.close();
});

/** The store, with each call noted. */
const noted = (): SessionRecords => ({
  ...store,
  read: (key) => (calls.push('read'), store.read(key)),
  update: (...all) => (calls.push('update'), store.update(...all)),
  insert: (...all) => (calls.push('insert'), store.insert(...all)),
});

/** A host on the demo's sessions. */
async function start(records: SessionRecords, ...before: RequestHandler[]) {
  const { AUTHKIT_ISSUER = '', OAUTH_APP_CLIENT_ID = '' } = settingsFor(app.authKit, 'firstParty');
  const auth = createAuth({
    issuer: new URL(AUTHKIT_ISSUER),
    clientId: OAUTH_APP_CLIENT_ID,
    baseUrl: new URL(app.url),
    sessionSecrets: [app.env['SESSION_SECRET'] ?? ''],
    records,
  });
  const host = express().use(...before, auth.session, auth.session);
  host.get('/who', (req, res) => void res.json(req.user?.name ?? null));
  host.get('/id', (req, res) => void res.json([req.session.id, req.sessionID]));
  host.get('/id-first', (req, res) => {
    const { sessionID } = req;
    res.json([sessionID, req.session.id, typeof req.sessionStore.get]);
  });
  host.post('/child', (req, res) => {
    const child = Object.create(req) as typeof req;
    child.session.basket = ['from the child'];
    req.session.basket?.push('and its parent');
    res.json(child.sessionID === req.sessionID);
  });
  host.post('/stripped', (req, res) => {
    delete req.headers.cookie;
    req.session.basket = ['without the header'];
    res.json(req.headers.cookie ?? null);
  });
  host.get('/has', (req, res) => void res.json(req.session === undefined));
  host.post('/basket', (req, res) => {
    (req.session.basket ??= []).push('tea');
    res.json(req.session.basket);
  });
  host.get('/basket', (req, res) => void res.json(req.session.basket ?? []));
  host.post('/replaced', (req, res) => {
    Object.assign(req, { session: null });
    res.json(Object.keys(req).includes('session'));
  });
  host.use(((error, _req, res, _next) => {
    failures.push(String(error));
    if (!res.headersSent) res.status(500).json(String(error));
  }) satisfies express.ErrorRequestHandler);
  const server = createServer(host).listen(0, 'localhost');
  await once(server, 'listening');
  closers.push(
    () => auth.close(),
    () => server.close(),
  );
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  calls = [];
  failures = [];
  const ask = async (visitor: Browser, path: string, method = 'GET') => {
    const page = await visitor.fetch(url + path, { method });
    return { body: JSON.parse(page.body) as unknown, cookies: page.headers['set-cookie'] ?? [] };
  };
  return Object.assign(ask, { auth });
}

it('reads the session once and writes nothing where a route only asks who it is', async () => {
  const ask = await start(noted());
  expect(await ask(browser, '/who')).toEqual({ body: 'Bruno Okafor', cookies: [] });
  expect(calls).toEqual(['read']);
});

it('asks the store nothing for a visitor without a cookie', async () => {
  const ask = await start(noted());
  expect(await ask(new Browser(), '/who')).toEqual({ body: null, cookies: [] });
  expect(calls).toEqual([]);
});

it('saves what a route puts into req.session, without reading it again', async () => {
  const ask = await start(noted());
  expect((await ask(browser, '/basket', 'POST')).body).toEqual(['tea']);
  expect(calls).toEqual(['read', 'update']);
  expect((await ask(browser, '/basket')).body).toEqual(['tea']);
  expect((await ask(browser, '/who')).body).toBe('Bruno Okafor');
  expect((await ask(browser, '/basket', 'POST')).body).toEqual(['tea', 'tea']);
});

it('begins a session for a visitor whose route puts something into it', async () => {
  const ask = await start(noted());
  const visitor = new Browser();
  expect((await ask(visitor, '/basket', 'POST')).cookies).toHaveLength(1);
  expect(calls).toEqual(['insert']);
  expect((await ask(visitor, '/basket')).body).toEqual(['tea']);
  expect((await ask(visitor, '/who')).body).toBeNull();
});

it('knows the id of the session that the cookie names', async () => {
  const ask = await start(noted());
  const [id, same] = (await ask(browser, '/id')).body as string[];
  expect(same).toBe(id);
  const cookie = decodeURIComponent(browser.jar.find('session')?.value ?? '');
  expect(cookie.startsWith(`s:${id}.`)).toBe(true);
});

it('knows it as well where nothing but the id is asked for', async () => {
  const ask = await start(noted());
  const [first, second, get] = (await ask(browser, '/id-first')).body as string[];
  expect(first).toMatch(/^[\w-]{32}$/);
  expect([second, get]).toEqual([first, 'function']);
});

it('is one session for a request and for what is made from it', async () => {
  const ask = await start(noted());
  const { body, cookies } = await ask(browser, '/child', 'POST');
  expect(body).toBe(true);
  expect(cookies).toHaveLength(1);
  expect((await ask(browser, '/basket')).body).toEqual(['from the child', 'and its parent']);
});

it('is the session that was read, whatever became of the Cookie header since', async () => {
  const ask = await start(noted());
  expect((await ask(browser, '/stripped', 'POST')).body).toBeNull();
  expect(calls).toEqual(['read', 'update']);
  expect((await ask(browser, '/basket')).body).toEqual(['without the header']);
  expect((await ask(browser, '/who')).body).toBe('Bruno Okafor');
});

it('is there without Express, for a socket that is opened', async () => {
  const { auth } = await start(noted());
  const req = Object.assign(new IncomingMessage(new Socket()), { url: '/' });
  req.headers = { cookie: `session=${browser.jar.find('session')?.value}` };
  const res = new ServerResponse(req);
  await new Promise((resolve) => {
    void auth.session(req as express.Request, res as express.Response, resolve);
  });
  expect((req as express.Request).user?.name).toBe('Bruno Okafor');
  expect((req as express.Request).session.signedIn?.user.sub).toMatch(/^user_/);
});

it('takes a cookie with another signature for none, and takes it back', async () => {
  const ask = await start(noted());
  const forger = new Browser();
  const [signed = ''] = (browser.jar.find('session')?.value ?? '').split('.');
  forger.jar.store(new URL(app.url), [`session=${signed}.AAAAAAAA; Path=/`]);
  const { body, cookies } = await ask(forger, '/who');
  expect(body).toBeNull();
  expect(cookies).toEqual([expect.stringMatching(/^session=;/)]);
  expect(calls).toEqual([]);
});

it('lets a route replace req.session before it was ever used', async () => {
  const ask = await start(noted());
  expect((await ask(browser, '/replaced', 'POST')).body).toBe(true);
  expect(calls).toEqual(['read']);
  expect((await ask(browser, '/who')).body).toBe('Bruno Okafor');
});

it('has no req.session while the store is out of reach', async () => {
  const ask = await start({ ...store, read: () => Promise.reject(new Error('away')) });
  expect(await ask(browser, '/has')).toEqual({ body: true, cookies: [] });
});

it.each<[string, RequestHandler]>([
  ['express-session', session({ secret: 'a', resave: false, saveUninitialized: false })],
  [
    // Such as cookie-session, which has no store.
    'session layer',
    (req, _res, next) => {
      Object.defineProperty(req, 'session', { configurable: true, get: () => ({}) });
      next();
    },
  ],
])('says so where another %s stands before it', async (_name, other) => {
  const ask = await start(noted(), other);
  expect((await ask(browser, '/who')).body).toBe(
    'TypeError: auth.session is express-session itself: remove the other session()',
  );
});

it('hands on that a session could not be saved, and the process lives', async () => {
  const failing = { ...noted(), update: () => Promise.reject(new Error('the disk is full')) };
  const ask = await start(failing);
  expect((await ask(browser, '/basket', 'POST')).body).toContain('tea');
  await vi.waitFor(() => expect(failures).toEqual(['Error: the disk is full']));
  expect((await ask(browser, '/who')).body).toBe('Bruno Okafor');
});

it('says so where the session of another createAuth stands before it', async () => {
  const { auth } = await start(noted());
  const ask = await start(noted(), auth.session);
  expect((await ask(browser, '/who')).body).toMatch(/^TypeError: auth.session is express-session/);
});
