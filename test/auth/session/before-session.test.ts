// What stands between AuthKit's answer and the session: a store that is slower than the browser, and
// the host's own onSignIn, which may refuse or fail. Nobody arrives before both are done.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createAuth,
  currentUser,
  SignInError,
  type Auth,
  type SessionRecords,
} from '../../../src/auth/index.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/store.ts';
import { freePort } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
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

let folder: string;
let issuer: SignInIssuer;
let auth: Auth;
let server: Server;
let url: string;
let close: () => Promise<void>;
const done: string[] = [];
let onSignIn: () => Promise<void> | void = () => undefined;

const showCode: ErrorRequestHandler = (error: unknown, _req, res, next) =>
  error instanceof SignInError ? void res.status(error.status).send(error.code) : next(error);

/** The same records, whose writes take `ms` longer and are noted once they are done. */
function slowed(records: SessionRecords, ms: number): SessionRecords {
  return {
    ...records,
    async insert(...session) {
      await delay(ms);
      await records.insert(...session);
      done.push('insert');
    },
    async remove(key) {
      await delay(ms);
      const isEnded = await records.remove(key);
      done.push('remove');
      return isEnded;
    },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slow-store-'));
  issuer = await startSignInIssuer();
  const store = await openEmbeddedStore({ file: join(folder, 'sessions.db') });
  close = () => store.close();
  const port = await freePort();
  url = `http://localhost:${port}`;
  auth = createAuth({
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    baseUrl: new URL(url),
    sessionSecrets: ['a-secret-of-the-tests-0123456789-abcdef'],
    records: slowed(store, 300),
    onSignIn: () => onSignIn(),
  });
  const app = express();
  app.use(auth.session, auth.routes);
  app.all('/basket', auth.hostSession, (req, res) => {
    if (req.method === 'POST') req.session.basket = [...(req.session.basket ?? []), 'tea'];
    res.json(req.session.basket ?? []);
  });
  app.get('/profile', auth.requireLogin, (req, res) => res.send(currentUser(req).name));
  app.use(showCode);
  server = createServer(app).listen(port);
  await once(server, 'listening');
  while ((await auth.state()) !== 'ready') await delay(10);
});

afterAll(async () => {
  await auth.close();
  server.close();
  await close();
  await issuer.close();
  await rm(folder, { recursive: true, force: true });
});

it('the redirect after a sign-in waits until the session is saved', async () => {
  const browser = new Browser();
  const start = await browser.get(`${url}/login?return_to=/profile`);
  const answer = await browser.get(start.location ?? '');
  const { status, location } = await browser.get(answer.location ?? '');
  expect([status, location?.pathname]).toEqual([303, '/profile']);
  expect(done.at(-1)).toBe('insert');
  expect((await browser.open(location ?? '')).body).toBe('Nora Test');
});

it('the redirect after a sign-out waits until the session is gone', async () => {
  const browser = new Browser();
  await browser.open(`${url}/login?return_to=/profile`);
  done.length = 0;
  const { status } = await browser.post('/logout');
  expect(status).toBe(303);
  expect(done).toEqual(['remove']);
});

const broken = new Error('the user table is away');
const suspended = new SignInError('access_denied');
it.each<[string, () => Promise<void> | void, number, string]>([
  ['rejects', () => Promise.reject(broken), 503, 'on_sign_in_failed'],
  [
    'throws',
    () => {
      throw broken;
    },
    503,
    'on_sign_in_failed',
  ],
  [
    'refuses somebody',
    () => {
      throw suspended;
    },
    403,
    'access_denied',
  ],
])('a sign-in whose onSignIn %s begins no session', async (_what, host, status, code) => {
  onSignIn = host;
  done.length = 0;
  const browser = new Browser();
  const page = await browser.open(`${url}/login?return_to=/profile`);
  onSignIn = () => undefined;
  expect([page.status, page.body]).toEqual([status, code]);
  expect(done).toEqual([]);
  expect(browser.jar.names()).not.toContain('session');
});

const signedInAs = async (browser: Browser, sub: string) => {
  issuer.vary = { idToken: { sub } };
  await browser.open(`${url}/login?return_to=/profile`);
  issuer.vary = {};
};
const basket = async (browser: Browser) => (await browser.get(`${url}/basket`)).body;

describe('what the host keeps in the session', () => {
  it('comes along when a visitor signs in, under another session id', async () => {
    const browser = new Browser();
    await browser.post(`${url}/basket`);
    const before = browser.jar.find('session')?.value;
    await signedInAs(browser, 'user_01');
    expect(await basket(browser)).toBe('["tea"]');
    expect(browser.jar.find('session')?.value).not.toBe(before);
    // The session of before is gone: whoever knew its cookie has nothing.
    const copy = new Browser();
    copy.jar.store(new URL(url), [`session=${before}; Path=/`]);
    expect(await basket(copy)).toBe('[]');
  });

  it('stays when the same person signs in again, and its other half is the new sign-in', async () => {
    const browser = new Browser();
    await signedInAs(browser, 'user_01');
    await browser.post(`${url}/basket`);
    await signedInAs(browser, 'user_01');
    expect(await basket(browser)).toBe('["tea"]');
    expect((await browser.get(`${url}/profile`)).body).toBe('Nora Test');
  });

  it('is not handed to another person who signs in in its place', async () => {
    const browser = new Browser();
    await signedInAs(browser, 'user_01');
    await browser.post(`${url}/basket`);
    await signedInAs(browser, 'user_02');
    expect((await browser.get(`${url}/profile`)).status).toBe(200);
    expect(await basket(browser)).toBe('[]');
  });
});

describe('a session middleware that was forgotten, or stands too late', () => {
  it.each<[string, (app: Express) => unknown]>([
    ['before a guard', (app) => app.get('/page', auth.requireLogin)],
    ['before a guard for a fresh token', (app) => app.get('/page', auth.requireFreshToken)],
    [
      'before the routes',
      (app) => app.use(auth.routes).get('/page', (_req, res) => res.redirect('/callback')),
    ],
  ])('is named, %s', async (_where, wire) => {
    const app = express();
    wire(app);
    app.use(auth.session);
    app.use(((error, _req, res, _next) => {
      res.status(500).send(String(error));
    }) satisfies ErrorRequestHandler);
    const late = createServer(app).listen(0, 'localhost');
    await once(late, 'listening');
    const page = await new Browser().open(
      `http://localhost:${(late.address() as AddressInfo).port}/page`,
    );
    expect(page.body).toContain(
      'app.use(auth.session) is missing, or is mounted after what needs it',
    );
    late.close();
  });
});

it('a base URL with a path is refused, since the cookie and the routes belong to a host', () => {
  const baseUrl = new URL('https://app.example.com/forum');
  const options = { issuer: new URL(issuer.url), clientId: CLIENT_ID, baseUrl };
  const secrets = ['a-secret-of-the-tests-0123456789-abcdef'];
  const start = () =>
    createAuth({ ...options, sessionSecrets: secrets, records: {} as SessionRecords });
  expect(start).toThrow(/^baseUrl: .* has a path/);
});
