// Sign-in beside an express-session and a passport login of the host app, on its own store, with a
// cookie of any name. Neither touches the other, whichever is mounted first.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Express, RequestHandler } from 'express';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { startHostApp, type HostApp } from '../support/app/host.ts';

/** The export of test/fixtures/host/host.ts, whose `Express.User` must not reach other tests. */
interface Fixture {
  createHost: (settings: object) => Promise<{
    app: Express;
    isReady: () => Promise<boolean>;
    close: () => Promise<void>;
  }>;
}

let authKit: LocalAuthKit;
let folder: string;
let url: string;
let port: number;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'beside-'));
  port = await freePort();
  url = `http://localhost:${port}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
});
beforeEach(() => {
  browser = new Browser();
});
afterEach(() => vi.useRealTimers());
afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

const application = () => {
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  return { issuer: new URL(authKit.issuer), clientId, clientSecret: clientSecrets[0] };
};

const post = (path: string) => browser.fetch(url + path, { method: 'POST' });
const get = (path: string) => browser.fetch(url + path);
const state = async () => JSON.parse((await get('/state')).body) as Record<string, unknown>;

async function signIn(person = 'Bruno') {
  const page = await browser.open(`${url}/profile`);
  return page.url.origin === url ? page : browser.follow(await browser.press(person));
}

describe.each([
  ['before', 'host.sid'],
  ['before', undefined],
  ['behind', 'host.sid'],
  ['behind', undefined],
  ['around', undefined],
])('sign-in mounted %s the session of the host app (cookieName %s)', (order, cookieName) => {
  let server: Server;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const { createHost } = (await import(
      `${import.meta.dirname}/../fixtures/host/host.ts`
    )) as Fixture;
    const host = await createHost({
      ...application(),
      baseUrl: new URL(url),
      sessionSecret: 'a-secret-of-the-tests-0123456789-abcdef',
      file: join(folder, `${order}-${cookieName}.db`),
      order,
      ...(cookieName !== undefined && { cookieName }),
    });
    ({ close } = host);
    server = createServer(host.app).listen(port, 'localhost');
    await once(server, 'listening');
    await vi.waitUntil(() => host.isReady());
  });
  afterAll(async () => {
    server.close();
    server.closeAllConnections();
    await close();
  });

  const ownCookie = () => browser.jar.find(cookieName ?? 'connect.sid')?.value;

  /** Logs in at the host app, with data in that session. */
  async function logIn() {
    expect((await post('/own/login?id=7')).status).toBe(200);
    await post('/cart');
    const { local, cart, sessionID } = await state();
    expect({ local, cart }).toEqual({ local: { id: 7, role: 'librarian' }, cart: ['tea'] });
    return { local, cart, sessionID, cookie: ownCookie() };
  }

  const hostState = async () => {
    const { local, cart, sessionID } = await state();
    return { local, cart, sessionID, cookie: ownCookie() };
  };

  it('leaves that session unchanged at sign-in, refresh and sign-out', async () => {
    const before = await logIn();
    await signIn();
    expect(await hostState()).toEqual(before);
    expect(await state()).toMatchObject({ authKit: 'Bruno Okafor' });

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 270_000 });
    const refreshes = authKit.control.requests().token;
    expect((await get('/fresh')).body).toBe('true');
    expect(authKit.control.requests().token).toBe(refreshes + 1);
    expect(await hostState()).toEqual(before);

    await browser.open(`${url}/profile`);
    const signedOut = await browser.follow(await browser.press('Sign out'));
    expect(signedOut.url.pathname).toBe('/signed-out');
    expect(await hostState()).toEqual(before);
    expect(await state()).toMatchObject({ authKit: null });
  });

  it('begins no session of the host app', async () => {
    await signIn();
    expect(browser.jar.names()).toContain('session');
    expect(ownCookie()).toBeUndefined();
  });

  it('survives login, logout and the end of the session in the host app', async () => {
    await signIn();
    const cookie = browser.jar.find('session')?.value;
    await logIn();
    expect((await post('/own/logout')).status).toBe(200);
    expect(await state()).toMatchObject({ local: null, authKit: 'Bruno Okafor' });
    await logIn();
    expect((await post('/own/end')).status).toBe(200);
    expect(await state()).toMatchObject({ local: null, cart: [], authKit: 'Bruno Okafor' });
    expect((await get('/profile')).status).toBe(200);
    expect(browser.jar.find('session')?.value).toBe(cookie);
  });

  it('does not let a user who is logged in only at the host app through requireLogin', async () => {
    await logIn();
    const page = await browser.get(`${url}/profile`);
    expect([page.status, page.location?.pathname]).toEqual([302, '/login']);
    expect((await get('/profile')).status).toBe(401);
    expect((await get('/fresh')).status).toBe(401);
  });

  it('names the user who signed in, whatever req.user of the host app is', async () => {
    await logIn();
    const { body } = await signIn('Ada');
    const ada = authKit.people.find(({ name }) => name.startsWith('Ada'));
    expect(body).toContain(`${ada?.sub} {"id":7,"role":"librarian"}`);
  });

  it('sets req.user if the host app has not', async () => {
    const { body } = await signIn('Ada');
    const ada = authKit.people.find(({ name }) => name.startsWith('Ada'));
    expect(body).toMatch(new RegExp(`^${ada?.sub} \\{"issuer":"[^"]+","sub":"${ada?.sub}"`));
  });
});

/** Like cookie-session: `req.session` is an object without a store and without methods. */
const cookieLayer: RequestHandler = (req, res, next) => {
  const [, sent = ''] = /(?:^|; )host=([^;]*)/.exec(req.headers.cookie ?? '') ?? [];
  let data = JSON.parse(Buffer.from(sent, 'base64url').toString() || '{}') as object | null;
  const before = JSON.stringify(data);
  Object.defineProperty(req, 'session', {
    configurable: true,
    enumerable: true,
    get: () => data,
    set: (value: object | null) => {
      data = value;
    },
  });
  const writeHead = res.writeHead.bind(res) as (...all: unknown[]) => unknown;
  Object.assign(res, {
    writeHead(...all: unknown[]): unknown {
      const after = JSON.stringify(data);
      const sealed = Buffer.from(after).toString('base64url');
      if (after !== before) res.appendHeader('Set-Cookie', `host=${sealed}; Path=/; HttpOnly`);
      return writeHead(...all);
    },
  });
  next();
};

const startOnCookies = () =>
  startHostApp({ ...application(), port }, (app, auth) => {
    app.use(cookieLayer, auth.session, auth.routes);
    app.get('/state', (req, res) => {
      res.json({ session: req.session, name: req.authSession?.current?.user.name ?? null });
    });
    app.post('/cart', (req, res) => {
      Object.assign(req.session, { cart: ['tea'] });
      res.json(req.session);
    });
    app.get('/profile', auth.requireLogin, (req, res) => {
      res.send(
        `${req.user?.name} <form method="post" action="/logout"><button>Sign out</button></form>`,
      );
    });
    app.get('/signed-out', (_req, res) => void res.send('Bye'));
    app.get('/ours', auth.hostSession, (_req, res) => void res.json(null));
  });

describe('a session layer that keeps its data in a cookie', () => {
  let host: HostApp;
  afterEach(() => host.close());

  it('stays unchanged at sign-in, refresh and sign-out', async () => {
    host = await startOnCookies();
    await post('/cart');
    const cookie = browser.jar.find('host')?.value;
    await signIn();
    expect(await state()).toEqual({ session: { cart: ['tea'] }, name: 'Bruno Okafor' });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 270_000 });
    await browser.open(`${url}/profile`);
    expect(authKit.control.requests().token).toBeGreaterThan(0);
    await browser.follow(await browser.press('Sign out'));
    expect(await state()).toEqual({ session: { cart: ['tea'] }, name: null });
    expect(browser.jar.find('host')?.value).toBe(cookie);
  });

  it('makes auth.hostSession behind it fail with an error that names the mistake', async () => {
    host = await startOnCookies();
    expect((await get('/ours')).body).toContain(
      'auth.hostSession is mounted after another session()',
    );
  });
});
