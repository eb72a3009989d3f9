// `auth.session` reads who is signed in and does not touch `req.session`. `auth.hostSession` is
// express-session on the same store, for routes of the host app that keep data in `req.session`.
import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Express, Request, RequestHandler, Response } from 'express';
import session from 'express-session';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SignInError, type Auth, type AuthOptions } from '../../../src/auth/index.ts';
import { Browser } from '../../support/browser/browser.ts';
import { startHostApp, type HostApp } from '../../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../../support/authkit/sign-in-issuer.ts';

declare module 'express-session' {
  interface SessionData {
    basket?: string[];
  }
}

let issuer: SignInIssuer;
let host: HostApp;
let browser: Browser;
let endSlow: () => void;
const hosts: HostApp[] = [];

beforeAll(async () => {
  issuer = await startSignInIssuer();
});
beforeEach(() => {
  browser = new Browser();
  issuer.vary = {};
});
afterEach(async () => {
  vi.useRealTimers();
  for (const one of hosts.splice(0)) await one.close();
});
afterAll(() => issuer.close());

type Wire = (app: Express, auth: Auth) => unknown;

/** A host app that mounts it before the routes that use `req.session`. */
const onItsPages: Wire = (app, auth) => {
  app.use(auth.session, auth.routes);
  app.get('/who', (req, res) => {
    res.json({ name: req.authSession?.current?.user.name ?? null, session: 'session' in req });
  });
  app.get('/me', auth.requireLogin, (req, res) => void res.json(req.user?.sub));
  app.use(auth.hostSession);
  addPages(app);
};

/** A host app that mounts it on one route only. */
const onOneRoute: Wire = (app, auth) => {
  app.use(auth.session, auth.routes);
  app.get('/me', auth.requireLogin, (req, res) => void res.json(req.user?.sub));
  app.all('/basket', auth.hostSession);
  addPages(app);
};

/** A host app that mounts it before everything. */
const everywhere: Wire = (app, auth) => {
  app.use(auth.session, auth.hostSession, auth.routes);
  app.get('/me', auth.requireLogin, (req, res) => void res.json(req.user?.sub));
  addPages(app);
};

const count: RequestHandler = (req, _res, next) => {
  (req.session.basket ??= []).push(req.path);
  next();
};

/** A host app that also writes to `req.session` on every request. */
const counting: Wire = (app, auth) => {
  app.use(auth.session, auth.hostSession, count, auth.routes);
  app.get('/who', (req, res) => void res.json(req.user?.sub ?? null));
};

function addPages(app: Express): void {
  app.get('/basket', (req, res) => void res.json(req.session.basket ?? []));
  app.post('/basket', (req, res) => {
    (req.session.basket ??= []).push('tea');
    res.json(req.session.basket);
  });
  app.post('/twice', async (req, res) => {
    req.session.basket = ['once'];
    await new Promise((resolve) => req.session.save(resolve));
    req.session.basket.push('twice');
    await new Promise((resolve) => req.session.save(resolve));
    res.json(req.session.basket);
  });
  app.post('/slow', async (req, res) => {
    res.writeContinue();
    await new Promise<void>((resolve) => {
      endSlow = resolve;
    });
    req.session.basket = ['too late'];
    res.json(req.session.basket);
  });
  app.post('/for-a-year', (req, res) => {
    req.session.basket = ['for a year'];
    req.session.cookie.maxAge = 31_536_000_000;
    res.json(req.session.basket);
  });
  app.post('/destroy', (req, res) => void req.session.destroy(() => res.json(null)));
  app.get('/id', (req, res) => void res.json([req.session.id, req.sessionID]));
}

async function start(wire: Wire = onItsPages, options: Partial<AuthOptions> = {}) {
  host = await startHostApp({ issuer: new URL(issuer.url), clientId: CLIENT_ID, ...options }, wire);
  hosts.push(host);
  return host;
}

async function ask(path: string, method = 'GET', by = browser) {
  const page = await by.fetch(host.url + path, { method });
  return { body: JSON.parse(page.body) as unknown, cookies: page.headers['set-cookie'] ?? [] };
}

/** Signs in; `host.calls` then holds the calls of the callback only. */
async function signInAs(sub: string, by = browser) {
  issuer.vary = { ...issuer.vary, idToken: { sub } };
  const login = await by.get(`${host.url}/login?return_to=/who`);
  const response = await by.get(login.location ?? '');
  host.calls.length = 0;
  const callback = new URL(response.location ?? '');
  callback.protocol = 'http:';
  return by.get(callback);
}

const HOUR = 3_600_000;
const pass = (ms: number) => void vi.setSystemTime(Date.now() + ms);

/** When the session cookie expires in the browser. */
const expiry = () => browser.jar.find('session')?.expiresAt ?? Infinity;

const attributesOf = (line = '') =>
  line
    .split('; ')
    .slice(1)
    .filter((attribute) => !attribute.startsWith('Expires'));

const sessionCookies = (cookies: string[] = []) =>
  cookies.filter((line) => /^(?:__Host-)?session-[\w-]{6}=/.test(line));

/** Runs `auth.session` on a plain Node.js request with this cookie. */
async function recognize(cookie: string | undefined) {
  const req = Object.assign(new IncomingMessage(new Socket()), { url: '/' });
  req.headers = { ...(cookie !== undefined && { cookie }) };
  const res = new ServerResponse(req);
  await new Promise((resolve) => {
    void host.auth.session(req as Request, res as Response, resolve);
  });
  return { authSession: (req as Request).authSession, res };
}

describe('a page that only reads who is signed in', () => {
  it('costs one read and no write, and has no req.session', async () => {
    await start();
    await signInAs('user_01');
    host.calls.length = 0;
    expect(await ask('/who')).toEqual({
      body: { name: 'Nora Test', session: false },
      cookies: [],
    });
    expect(host.calls).toEqual(['read']);
  });

  it('costs no call of the store for a visitor without a cookie', async () => {
    await start();
    expect(await ask('/who')).toEqual({ body: { name: null, session: false }, cookies: [] });
    expect(host.calls).toEqual([]);
  });

  it('costs one read even if auth.session is mounted twice', async () => {
    await start((app, auth) => {
      app.use(auth.session);
      onItsPages(app, auth);
    });
    await signInAs('user_01');
    host.calls.length = 0;
    expect((await ask('/who')).body).toMatchObject({ name: 'Nora Test' });
    expect(host.calls).toEqual(['read']);
  });

  it('ignores a cookie with a wrong signature, and does not delete it', async () => {
    await start();
    await signInAs('user_01');
    const [signed = ''] = (browser.jar.find('session')?.value ?? '').split('.');
    const forger = new Browser();
    forger.jar.store(new URL(host.url), [`session=${signed}.AAAAAAAA; Path=/`]);
    host.calls.length = 0;
    const { body, cookies } = await ask('/who', 'GET', forger);
    expect(body).toMatchObject({ name: null });
    expect(cookies).toEqual([]);
    expect(host.calls).toEqual([]);
  });
});

describe('a request without Express, such as a WebSocket upgrade', () => {
  it('has the signed-in user, or the reason why the store could not be read', async () => {
    await start();
    await signInAs('user_01');
    const cookie = `session=${browser.jar.find('session')?.value}`;
    const { authSession, res } = await recognize(cookie);
    expect(authSession?.current?.user.sub).toBe('user_01');
    expect(res.getHeader('Set-Cookie')).toBeUndefined();
    host.broken.add('read');
    const { authSession: unread } = await recognize(cookie);
    expect(unread?.current).toBeUndefined();
    expect(unread?.unavailable).toMatchObject({ code: 'store_unavailable' });
  });

  it.each([undefined, '', 'session=%', 'session=s:', 'session=s%3Aforged.AAAA', ';;=;session'])(
    'has no user with the cookie %s',
    async (cookie) => {
      await start();
      expect((await recognize(cookie)).authSession?.current).toBeUndefined();
    },
  );
});

describe('req.session with auth.hostSession', () => {
  it('is kept for a visitor, with one write for a change and none for a read', async () => {
    await start();
    const { body, cookies } = await ask('/basket', 'POST');
    expect(body).toEqual(['tea']);
    expect(sessionCookies(cookies)).toHaveLength(1);
    expect(host.calls).toEqual(['insert']);
    host.calls.length = 0;
    expect(await ask('/basket')).toEqual({ body: ['tea'], cookies: [] });
    expect(new Set(host.calls)).toEqual(new Set(['read']));
    expect((await ask('/who')).body).toMatchObject({ name: null });
  });

  it('begins no session for a visitor while it stays empty', async () => {
    await start();
    expect(await ask('/basket')).toEqual({ body: [], cookies: [] });
    expect(host.calls).toEqual([]);
  });

  it('is kept in the session of the signed-in user', async () => {
    await start();
    await signInAs('user_01');
    host.calls.length = 0;
    await ask('/basket', 'POST');
    expect(host.calls.filter((name) => name !== 'read')).toEqual(['update']);
    expect((await ask('/basket', 'POST')).body).toEqual(['tea', 'tea']);
    expect((await ask('/me')).body).toBe('user_01');
  });

  it('has the id in the cookie', async () => {
    await start();
    await signInAs('user_01');
    const [id, same] = (await ask('/id')).body as string[];
    expect(same).toBe(id);
    const cookie = decodeURIComponent(browser.jar.find('session')?.value ?? '');
    expect(cookie.startsWith(`s:${id}.`)).toBe(true);
  });

  it('begins one session when it is saved twice in one request', async () => {
    await start();
    expect((await ask('/twice', 'POST')).body).toEqual(['once', 'twice']);
    expect(host.calls).toEqual(['insert', 'update']);
    expect((await ask('/basket')).body).toEqual(['once', 'twice']);
  });

  it('signs the user out when the host app destroys it', async () => {
    await start();
    await signInAs('user_01');
    await ask('/destroy', 'POST');
    expect((await ask('/who')).body).toMatchObject({ name: null });
  });

  it('does not bring back an ended session when it is saved late', async () => {
    await start();
    await signInAs('user_01');
    const copy = new Browser();
    copy.jar.copyFrom(browser.jar);
    const request = once(host.server, 'request');
    const slow = ask('/slow', 'POST', copy);
    await request;
    await vi.waitUntil(() => endSlow !== undefined && host.calls.at(-1) === 'read');
    const before = browser.jar.find('session')?.value;
    expect((await browser.post(`${host.url}/logout`)).status).toBe(303);
    endSlow();
    expect((await slow).body).toEqual(['too late']);
    const late = new Browser();
    late.jar.store(new URL(host.url), [`session=${before}; Path=/`]);
    expect((await ask('/who', 'GET', late)).body).toMatchObject({ name: null });
    expect((await ask('/basket', 'GET', copy)).body).toEqual([]);
  });

  it.each<[string, RequestHandler]>([
    ['another express-session', session({ secret: 'a', resave: false, saveUninitialized: false })],
    [
      'a session layer without a store',
      (req, _res, next) => {
        Object.defineProperty(req, 'session', { configurable: true, get: () => ({}) });
        next();
      },
    ],
    [
      'another createAuth',
      (req, res, next) => {
        const { auth } = hosts[0] ?? host;
        const { authSession } = req;
        delete req.authSession;
        void auth.session(req, res, () => {
          void auth.hostSession(req, res, (error: unknown) => {
            Object.assign(req, { authSession });
            next(error);
          });
        });
      },
    ],
  ])('fails with an error that names the mistake behind %s', async (_name, other) => {
    await start();
    await start((app, auth) => {
      app.use(auth.session, other, auth.hostSession);
      addPages(app);
    });
    expect((await ask('/basket')).body).toEqual({
      error: 'TypeError: auth.hostSession is mounted after another session(): use only one',
    });
  });
});

describe.each([
  ['on one route', onOneRoute],
  ['before the routes that use it', onItsPages],
  ['before all routes', everywhere],
])('data in req.session, with hostSession mounted %s', (_where, wire) => {
  it('moves to a new session id when a visitor signs in', async () => {
    await start(wire);
    await ask('/basket', 'POST');
    const before = browser.jar.find('session')?.value;
    await signInAs('user_01');
    expect((await ask('/basket')).body).toEqual(['tea']);
    expect(browser.jar.find('session')?.value).not.toBe(before);
    // The old session has ended: an attacker who planted its cookie has nothing (fixation).
    const copy = new Browser();
    copy.jar.store(new URL(host.url), [`session=${before}; Path=/`]);
    expect((await ask('/basket', 'GET', copy)).body).toEqual([]);
  });

  it('is kept when the same user signs in again', async () => {
    await start(wire);
    await signInAs('user_01');
    await ask('/basket', 'POST');
    await signInAs('user_01');
    expect((await ask('/basket')).body).toEqual(['tea']);
    expect((await ask('/me')).body).toBe('user_01');
  });

  it('is dropped when another user signs in', async () => {
    await start(wire);
    await signInAs('user_01');
    await ask('/basket', 'POST');
    await signInAs('user_02');
    expect((await ask('/me')).body).toBe('user_02');
    expect((await ask('/basket')).body).toEqual([]);
  });

  it('is dropped at sign-out', async () => {
    await start(wire);
    await signInAs('user_01');
    await ask('/basket', 'POST');
    const { headers } = await browser.post(`${host.url}/logout`);
    expect(sessionCookies(headers['set-cookie'])).toEqual([
      expect.stringMatching(/^session-[\w-]{6}=;/),
    ]);
    expect((await ask('/basket')).body).toEqual([]);
  });
});

describe('a middleware that writes to req.session on every request', () => {
  it('does not replace the session that a sign-in begins', async () => {
    await start(counting);
    await signInAs('user_01');
    expect((await ask('/who')).body).toBe('user_01');
  });

  it('does not replace it when the browser has lost its session cookie', async () => {
    await start(counting);
    issuer.vary = { idToken: { sub: 'user_01' } };
    const response = await browser.get((await browser.get(`${host.url}/login`)).location ?? '');
    for (const [key, { name }] of browser.jar.cookies)
      if (name.startsWith('session')) browser.jar.cookies.delete(key);
    host.calls.length = 0;
    const { headers } = await browser.get(response.location ?? '');
    expect(sessionCookies(headers['set-cookie']).at(-1)).toMatch(/^session-[\w-]{6}=s/);
    expect(host.calls.filter((name) => name === 'insert')).toHaveLength(1);
    expect((await ask('/who')).body).toBe('user_01');
  });

  it('does not bring back the session after a sign-out', async () => {
    await start(counting);
    await signInAs('user_01');
    await browser.post(`${host.url}/logout`);
    expect((await ask('/who')).body).toBeNull();
  });
});

describe('a store that fails', () => {
  it('is reported as store_unavailable when req.session is read', async () => {
    await start();
    await signInAs('user_01');
    host.broken.add('read');
    expect((await ask('/basket')).body).toEqual({ error: 'store_unavailable' });
    expect((await ask('/who')).body).toEqual({ name: null, session: false });
    host.broken.clear();
    expect((await ask('/who')).body).toMatchObject({ name: 'Nora Test' });
  });

  it.each(['insert', 'update'] as const)(
    'is reported as store_unavailable when req.session is saved (%s)',
    async (name) => {
      await start();
      if (name === 'update') await signInAs('user_01');
      host.broken.add(name);
      await ask('/basket', 'POST');
      const failure = new SignInError('store_unavailable', {
        cause: new Error('the disk is full'),
      });
      await vi.waitFor(() => expect(host.failures).toEqual([failure]));
      expect(host.failures[0]).toBeInstanceOf(SignInError);
      host.broken.clear();
      expect((await ask('/basket')).body).toEqual([]);
    },
  );
});

describe('the cookie that express-session sends', () => {
  it('is HttpOnly and SameSite=Lax', async () => {
    await start();
    const { cookies } = await ask('/basket', 'POST');
    expect(attributesOf(cookies[0])).toEqual(['Path=/', 'HttpOnly', 'SameSite=Lax']);
    const { headers } = await signInAs('user_01');
    const [cookie] = sessionCookies(headers['set-cookie']).toReversed();
    expect(attributesOf(cookie)).toEqual(['Path=/', 'HttpOnly', 'SameSite=Lax']);
  });

  it('is Secure and __Host- when baseUrl is https, even over a plain connection', async () => {
    host = await startHostApp(
      {
        issuer: new URL(issuer.url),
        clientId: CLIENT_ID,
        origin: (url) => url.replace('http:', 'https:'),
      },
      onItsPages,
    );
    hosts.push(host);
    const { cookies } = await ask('/basket', 'POST');
    expect(cookies).toEqual([expect.stringMatching(/^__Host-session-[\w-]{6}=s/)]);
    expect(attributesOf(cookies[0])).toEqual(['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']);
    const { headers } = await signInAs('user_01');
    const [cookie] = sessionCookies(headers['set-cookie']).toReversed();
    expect(cookie).toMatch(/^__Host-session-[\w-]{6}=s/);
    expect(attributesOf(cookie)).toEqual(['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']);
    expect((await ask('/who')).body).toMatchObject({ name: 'Nora Test' });
  });
});

describe('the end of a session', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    // Cookies count in whole seconds.
    vi.setSystemTime(Math.ceil(Date.now() / 1000) * 1000);
  });

  it('is the expiry of its cookie, which use does not move beyond maxSeconds', async () => {
    const endsAt = Date.now() + HOUR;
    // Time passes while onSignIn runs.
    await start(onItsPages, { idleSeconds: 3_600, maxSeconds: 3_600, onSignIn: () => pass(5_000) });
    await signInAs('user_01');
    expect(expiry()).toBe(endsAt + 5_000);
    pass(HOUR / 2);
    await ask('/basket', 'POST');
    expect(expiry()).toBe(endsAt + 5_000);
  });

  it('is not delayed by a longer maxAge that the host app sets on the cookie', async () => {
    const endsAt = Date.now() + HOUR;
    await start(onItsPages, { idleSeconds: 600, maxSeconds: 3_600 });
    await signInAs('user_01');
    await ask('/for-a-year', 'POST');
    expect(expiry()).toBeGreaterThan(endsAt);
    const cookie = browser.jar.find('session');
    if (cookie) cookie.expiresAt = undefined;
    pass(HOUR + 1_000);
    expect((await ask('/who')).body).toMatchObject({ name: null });
    expect((await ask('/basket')).body).toEqual([]);
  });

  it('moves along while a visitor uses the session', async () => {
    await start(onItsPages, { idleSeconds: 3_600, maxSeconds: 3 * 3_600 });
    for (let round = 1; round <= 3; round += 1) {
      expect((await ask('/basket', 'POST')).body).toHaveLength(round);
      pass(HOUR - 60_000);
    }
    expect((await ask('/basket')).body).toHaveLength(3);
    pass(HOUR);
    expect((await ask('/basket')).body).toEqual([]);
  });
});

describe('a sign-in', () => {
  it('costs one lease and one insert that includes the tokens', async () => {
    await start();
    expect((await signInAs('user_01')).status).toBe(303);
    expect(host.calls).toEqual(['acquireLease', 'insert']);
    host.calls.length = 0;
    await ask('/me');
    expect(host.calls).toEqual(['read']);
  });

  it('also removes the session that a visitor had', async () => {
    await start();
    await ask('/basket', 'POST');
    await signInAs('user_01');
    expect(host.calls).toEqual(['read', 'acquireLease', 'remove', 'insert']);
  });

  it('also reads the tokens and removes the session of a signed-in user', async () => {
    await start();
    await signInAs('user_01');
    await signInAs('user_01');
    expect(host.calls).toEqual(['read', 'acquireLease', 'readTokens', 'remove', 'insert']);
  });

  it('fails without a cookie or a session, and its attempt stays open', async () => {
    await start();
    host.broken.add('insert');
    const failed = await signInAs('user_01');
    expect([failed.status, failed.body]).toEqual([503, '{"error":"store_unavailable"}']);
    expect(failed.headers['set-cookie']).toBeUndefined();
    expect(browser.jar.names()).toEqual([expect.stringMatching(/^sign-in\./)]);
    expect((await ask('/who')).body).toMatchObject({ name: null });
    host.broken.clear();
    expect((await browser.get(failed.url)).status).toBe(303);
    expect((await ask('/who')).body).toMatchObject({ name: 'Nora Test' });
  });

  it('signs the previous user out even when the insert fails', async () => {
    await start();
    await signInAs('user_01');
    host.broken.add('insert');
    expect((await signInAs('user_01')).status).toBe(503);
    expect(browser.jar.find('session')).toBeUndefined();
    expect((await ask('/who')).body).toMatchObject({ name: null });
  });
});
