// Every route with every method, and paths, queries, headers, cookies and bodies that no browser
// sends: no 500, no leak, no hang, and neither memory nor store grows with refused requests.
import { Agent, request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { whoIs } from '../support/browser/callback.ts';
import { json } from '../support/authkit/issuer.ts';
import {
  METHODS,
  nasty,
  PATHS,
  SIGNED_IN,
  strangeRequest,
  type Sent,
} from '../support/browser/strange-requests.ts';
import { collectGarbage } from '../support/machine/memory.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;
let user: Browser;
let cookie: string;
let bearer: string;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  const introspection = '/oauth2/introspection';
  issuer.vary.metadata = { introspection_endpoint: issuer.url + introspection };
  issuer.respondAt(introspection, (_req, res) => json(res, { active: true }));
  app = await startTestApp({ env: issuer.env });
  user = new Browser();
  await user.open(`${app.url}/login?return_to=/profile`);
  cookie = `session=${user.jar.find('session')?.value}`;
  bearer = `Bearer ${await issuer.sign({ aud: issuer.env['API_AUDIENCE'] })}`;
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

interface RawResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends one request unchanged; undefined if Node itself refuses to send it. */
async function send(
  { method, path, headers, body }: Sent,
  agent: Agent | false = false,
): Promise<RawResponse | undefined> {
  return new Promise((resolve, reject) => {
    try {
      const options = { port: app.port, method, path, agent, timeout: 10_000 };
      const length = ['content-length', String(Buffer.byteLength(body))];
      const req = request({ ...options, headers: ['host', 'localhost', ...headers, ...length] });
      req.on('timeout', () => req.destroy(new Error(`no response to ${method} ${path}`)));
      req.on('error', (error: NodeJS.ErrnoException) =>
        error.code?.startsWith('E') || error.code?.startsWith('HPE_')
          ? resolve(undefined)
          : reject(error),
      );
      req.on('response', (res) => {
        const { statusCode: status = 0, headers: received } = res;
        text(res).then((content) => resolve({ status, headers: received, body: content }), reject);
      });
      req.end(body);
    } catch {
      resolve(undefined);
    }
  });
}

const LEAKS = /node_modules|\.ts:\d|\bat \/|SQLITE|Error:|client-secret|eyJ[\w-]{8}/;

async function survives(sent: Sent, agent?: Agent): Promise<void> {
  const response = await send(sent, agent);
  if (response === undefined) return;
  const { status, headers, body } = response;
  expect(status).toBeLessThan(500);
  expect(status).toBeGreaterThanOrEqual(200);
  expect(body).not.toMatch(LEAKS);
  const { location } = headers;
  if (location !== undefined) {
    expect([app.url, issuer.url]).toContain(new URL(location, app.url).origin);
  }
  if (status >= 400 && body !== '') {
    expect(headers['content-type']).toMatch(/^(text\/html|application\/json)/);
  }
}

describe('the app', () => {
  it.each(PATHS)(
    'responds to every method at %s without a 500, leak or hang, with and without a session',
    async (at) => {
      for (const method of METHODS) {
        for (const headers of [[], ['cookie', cookie], ['authorization', bearer]]) {
          // Signing out would end the session that the other requests use.
          if (method === 'POST' && headers[0] === 'cookie') continue;
          for (const accept of ['text/html', 'application/json']) {
            await survives({ method, path: at, headers: [...headers, 'accept', accept], body: '' });
          }
        }
      }
    },
  );

  it('responds to random requests from fast-check without a 500, leak or hang', async () => {
    await fc.assert(
      fc.asyncProperty(strangeRequest, async (each) => {
        const headers = each.headers.map((value, at) => {
          if (value !== SIGNED_IN) return value;
          return each.headers[at - 1] === 'cookie' ? cookie : bearer;
        });
        const isSignOut = each.method === 'POST' && headers.includes(cookie);
        await survives({ ...each, headers, method: isSignOut ? 'PUT' : each.method });
      }),
      { numRuns: 1_500 },
    );
    expect(await whoIs(user, app)).toBe('Nora Test');
    expect(app.log.filter(({ level }) => level === 'error')).toEqual([]);
  }, 120_000);

  it('responds to raw bytes that are not HTTP without a 500 or leak', async () => {
    const raw = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc
        .tuple(fc.constantFrom('CONNECT', 'GET', 'TRACE', 'BREW', ''), nasty, nasty)
        .map(
          ([method, target, name]) =>
            `${method} ${target} HTTP/1.1\r\nHost: x\r\n${name}: ${name}\r\n\r\n`,
        ),
    );
    await fc.assert(
      fc.asyncProperty(raw, async (bytes) => {
        const response = await sendRaw(bytes);
        expect(response).not.toMatch(/^HTTP\/1\.1 5/);
        expect(response).not.toMatch(LEAKS);
      }),
      { numRuns: 500 },
    );
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
  }, 120_000);
});

/** The raw response; the client closes its side of the connection after sending. */
async function sendRaw(bytes: string): Promise<string> {
  const socket = connect(app.port, 'localhost');
  socket.on('error', () => undefined);
  socket.end(bytes);
  return text(socket).catch(() => '');
}

const storeSize = () =>
  ['sessions.db', 'sessions.db-wal'].reduce(
    (sum, name) => sum + statSync(join(app.folder, name)).size,
    0,
  );

async function heapAfter(work: () => Promise<void>): Promise<number> {
  await work();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const CONNECTIONS = 20;

type Work = (at: number, agent: Agent) => Promise<unknown>;

async function inParallel(count: number, each: Work): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let next = 0;
  const worker = async () => {
    while (next < count) await each((next += 1), agent);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  agent.destroy();
}

const malformed = (count: number) =>
  inParallel(count, (at, agent) => {
    const kinds = [
      { path: `/callback?code=${at}&state=${at}`, headers: [`cookie`, `sign-in.0.${at}=x`] },
      { path: `/profile`, headers: ['cookie', `session=s%3A${at}.broken`] },
      { path: `/api/me`, headers: ['authorization', `Bearer a.${at}.c`] },
      { path: `/${at}?__proto__=${at}`, headers: ['accept', 'text/html'] },
    ];
    return survives({ method: 'GET', body: '', path: '/', headers: [], ...kinds[at % 4] }, agent);
  });

const abandoned = (count: number) =>
  inParallel(count, async (at, agent) => {
    const path = `/login?return_to=/profile?${at}`;
    const headers = ['sec-fetch-mode', 'navigate'];
    const response = await send({ method: 'GET', path, headers, body: '' }, agent);
    expect(response?.status).toBe(302);
  });

describe('memory and store', () => {
  it.each([
    ['malformed requests', malformed],
    ['abandoned sign-ins', abandoned],
  ])(
    'do not grow with ten thousand %s',
    async (_what, work) => {
      await app.restart({ LOG_LEVEL: 'silent' });
      await heapAfter(() => work(1_000));
      const store = storeSize();
      const before = await heapAfter(() => work(1_000));
      const after = await heapAfter(() => work(10_000));
      expect(storeSize()).toBe(store);
      // 10,000 more requests: at a kilobyte each they would take 10 MB.
      expect(after - before).toBeLessThan(5_000_000);
      expect(await whoIs(user, app)).toBe('Nora Test');
    },
    300_000,
  );
});
