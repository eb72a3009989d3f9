// What stands between AuthKit's answer and the session: a store that is slower than the browser, and
// the host's own onSignIn, which may refuse or fail. Nobody arrives before both are done.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type ErrorRequestHandler } from 'express';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  createAuth,
  currentUser,
  SignInError,
  type Auth,
  type SessionRecords,
} from '../src/auth/index.ts';
import { openEmbeddedStore } from '../src/store/embedded.ts';
import { freePort } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { CLIENT_ID, startSignInIssuer, type SignInIssuer } from './support/sign-in-issuer.ts';

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
      await records.remove(key);
      done.push('remove');
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
  app.get('/profile', auth.requireLogin, (req, res) => res.send(currentUser(req).name));
  app.use(showCode);
  server = createServer(app).listen(port);
  await once(server, 'listening');
  while ((await auth.state()) !== 'ready') await delay(10);
});

afterAll(async () => {
  auth.close();
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
  ['rejects', () => Promise.reject(broken), 503, 'store_unavailable'],
  [
    'throws',
    () => {
      throw broken;
    },
    503,
    'store_unavailable',
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
