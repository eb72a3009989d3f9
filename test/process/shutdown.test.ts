// SIGTERM at the process as it is deployed: it takes requests for a grace period, completes those in
// flight and exits with 0, within seconds, or within 30 s if a request hangs. It also cuts off slow clients, which must not
// delay other requests.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { openStream } from '../support/browser/connections.ts';
import { startRedis } from '../support/store/redis.ts';
import { launchServer, startServer } from '../support/app/server-process.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { withParts } from '../support/machine/with-parts.ts';

let issuer: SignInIssuer;
let folder: string;
let port: number;
let child: ChildProcess;
let gone: Promise<unknown>;
const sockets: Socket[] = [];

beforeAll(async () => {
  issuer = await startSignInIssuer();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shutdown-'));
  port = await freePort();
});
afterEach(async () => {
  issuer.faults.clear();
  for (const socket of sockets.splice(0)) socket.destroy();
  child.kill('SIGKILL');
  await gone;
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => issuer.close());

const settings = (env: Record<string, string>) => ({
  ...issuer.env,
  PORT: String(port),
  SESSION_DB: join(folder, 'sessions.db'),
  ...env,
});

function launch(env: Record<string, string> = {}): void {
  ({ child, ended: gone } = launchServer(settings(env)));
}

async function run(env: Record<string, string> = {}): Promise<void> {
  ({ child, ended: gone } = await startServer(settings(env)));
}

interface Exit {
  code: number | null;
  signal: string | null;
  ms: number;
}

async function signaled(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
  const startedAt = performance.now();
  const exited: Promise<unknown[]> = once(child, 'exit');
  child.kill(signal);
  const [code, by] = await exited;
  return { code: Number(code), signal: by as string | null, ms: performance.now() - startedAt };
}

async function open(bytes = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  if (bytes !== '') socket.write(bytes);
  return socket;
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n${headers}\r\n`;

async function responseOn(socket: Socket, request = ''): Promise<string> {
  if (request !== '') socket.write(request);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString();
}

async function isShuttingDown(): Promise<boolean> {
  const { status, body } = await new Browser().fetch(`http://localhost:${port}/readyz`);
  return status === 503 && body === '{"status":"shutting_down"}';
}

describe('shutdown', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('ends an idle process with 0 on %s', async (signal) => {
    await run();
    const { code, ms } = await signaled(signal);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(5_000);
  });

  it('does not wait for connections without a request', async () => {
    await run();
    await open();
    await open('GET / HT');
    await open('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:');
    const used = await open(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await once(used, 'data');
    const { code, ms } = await signaled();
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
  });

  it('completes requests in flight, pending sign-ins included, and accepts no new ones', async () => {
    await run();
    issuer.faults.set('/oauth2/jwks', (_req, res) => {
      const body = JSON.stringify({ keys: issuer.published });
      setTimeout(() => res.setHeader('content-type', 'application/json').end(body), 2_000);
    });
    issuer.hits.clear();
    const browsers = Array.from({ length: 30 }, () => new Browser());
    const completing = browsers.map(async (browser) => {
      const { location } = await browser.get(`http://localhost:${port}/login?return_to=/profile`);
      const response = await browser.get(location ?? '');
      return browser.get(response.location ?? '');
    });
    await vi.waitUntil(() => issuer.hits.get('/oauth2/token') === 30);
    const ended = signaled();
    await vi.waitFor(() => expect(open()).rejects.toThrow(/ECONNREFUSED/), 10_000);
    const pages = await Promise.all(completing);
    const seen = pages.map(({ status, location }) => `${status} ${location?.pathname}`);
    expect(new Set(seen)).toEqual(new Set(['303 /profile']));
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
    // The sessions are saved: the next process finds them.
    await run();
    const [browser] = browsers;
    expect((await browser?.get(`http://localhost:${port}/profile`))?.status).toBe(200);
  });

  it('cuts off a request that hangs, and exits with 0 within 30 seconds', async () => {
    await run();
    const browser = new Browser();
    await browser.open(`http://localhost:${port}/login?return_to=/profile`);
    const lines = [
      'POST /sessions/end HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/x-www-form-urlencoded',
      'Content-Length: 100',
      `Cookie: session=${browser.jar.find('session')?.value}`,
    ];
    await open(`${lines.join('\r\n')}\r\n\r\nhandle=`);
    await delay(300);
    const { code, ms } = await signaled();
    expect(code).toBe(0);
    expect(ms).toBeGreaterThan(10_000);
    expect(ms).toBeLessThan(30_000);
  }, 60_000);

  it('ends open event streams, and the process soon after', async () => {
    await run();
    const browser = new Browser();
    await browser.open(`http://localhost:${port}/login?return_to=/profile`);
    const stream = await openStream(browser, `http://localhost:${port}/sessions/live`);
    const { code, ms } = await signaled();
    expect(await stream.ended).toBe('');
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
  });

  it('exits at once with 1 on a second signal', async () => {
    await run();
    await open('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:');
    child.kill('SIGTERM');
    await delay(300);
    expect(await signaled()).toMatchObject({ code: 1 });
  });

  withParts('redis-server').it.each(['paused', 'down'])(
    'exits with 0 while Redis is %s',
    async (how) => {
      const redis = await startRedis();
      await run({ REDIS_URL: redis.url });
      if (how === 'paused') redis.pause();
      else await redis.stop();
      const { code, ms } = await signaled();
      expect(code).toBe(0);
      expect(ms).toBeLessThan(10_000);
      await redis.close();
    },
  );
});

describe('the grace period', () => {
  const LONG = { SHUTDOWN_GRACE_SECONDS: '60' };
  it('takes requests while /readyz returns 503, and tells each client to open its next connection elsewhere', async () => {
    await run(LONG);
    const kept = await open();
    expect(await responseOn(kept, get('/healthz'))).toMatch(/^HTTP\/1.1 200 [^]+keep-alive/);
    expect(await isShuttingDown()).toBe(false);
    child.kill('SIGTERM');
    await vi.waitUntil(isShuttingDown);
    const told = /^HTTP\/1.1 200 [^]+\r\nConnection: close\r\n/;
    expect(await responseOn(kept, get('/healthz'))).toMatch(told);
    await once(kept, 'close');
    expect(await responseOn(await open(), get('/'))).toMatch(told);
  });

  it('tells the client of a request in flight the same', async () => {
    await run(LONG);
    const browser = new Browser();
    const start = await browser.get(`http://localhost:${port}/login`);
    const { location } = await browser.get(start.location ?? '');
    const [cookie] = browser.jar.cookies.values();
    const asked = new Promise<() => void>((resolve) => {
      issuer.faults.set('/oauth2/jwks', (_req, res) => {
        const body = JSON.stringify({ keys: issuer.published });
        resolve(() => res.setHeader('content-type', 'application/json').end(body));
      });
    });
    const path = `${location?.pathname}${location?.search}`;
    const cookies = `Cookie: ${cookie?.name}=${cookie?.value}\r\n`;
    const socket = await open(get(path, `Sec-Fetch-Mode: navigate\r\n${cookies}`));
    const respond = await asked;
    child.kill('SIGTERM');
    await vi.waitUntil(isShuttingDown);
    respond();
    expect(await responseOn(socket)).toMatch(/^HTTP\/1.1 303 [^]+\r\nConnection: close\r\n/);
  });

  it('is followed by the end of the process, with 0', async () => {
    await run({ SHUTDOWN_GRACE_SECONDS: '2' });
    const { code, ms } = await signaled();
    expect(code).toBe(0);
    expect(ms).toBeGreaterThan(2_000);
    expect(ms).toBeLessThan(10_000);
  });

  it('ends at once with 1 on a second signal', async () => {
    await run(LONG);
    child.kill('SIGTERM');
    await vi.waitUntil(isShuttingDown);
    expect(await signaled('SIGINT')).toMatchObject({ code: 1 });
  });
});

describe('SIGTERM during the start', () => {
  it.each([300, 450, 600, 900])('ends the process soon after %i ms', async (ms) => {
    launch();
    await delay(ms);
    const exit = await signaled();
    // Before its handler is installed, the signal itself ends the process.
    expect(exit.signal ?? exit.code).toSatisfy((seen) => seen === 0 || seen === 'SIGTERM');
    expect(exit.ms).toBeLessThan(10_000);
  });

  it('ends the process with 0 even while Redis does not respond', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const at = typeof address === 'object' ? address?.port : '';
    const connected = once(silent, 'connection');
    launch({ REDIS_URL: `redis://127.0.0.1:${at}` });
    await connected;
    const { code, ms } = await signaled();
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
    silent.close();
  });
});

describe.concurrent('a slow client', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  /** Sends `start`, then a byte every half second; returns the time to the cut and the response. */
  async function drip(start: string): Promise<{ ms: number; response: string }> {
    const startedAt = performance.now();
    const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
    let response = '';
    socket.on('data', (bytes: Buffer) => (response += bytes.toString()));
    socket.write(start);
    const timer = setInterval(() => socket.write('a'), 500);
    await once(socket, 'close');
    clearInterval(timer);
    return { ms: performance.now() - startedAt, response };
  }

  it('that drips its headers is cut off within 20 seconds, and 200 of them delay no other request', async () => {
    const many = Array.from({ length: 200 }, () =>
      drip('GET / HTTP/1.1\r\nHost: localhost\r\nX: '),
    );
    await delay(1_000);
    const startedAt = performance.now();
    expect((await new Browser().get(app.url)).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    for (const { ms, response } of await Promise.all(many)) {
      expect(ms).toBeLessThan(20_000);
      expect(response).toMatch(/^HTTP\/1\.1 408 /);
    }
  }, 60_000);

  it('that drips its body is cut off within 40 seconds', async () => {
    const lines = ['POST /logout HTTP/1.1', 'Host: localhost', 'Content-Length: 1000'];
    const { ms } = await drip(`${lines.join('\r\n')}\r\n\r\n`);
    expect(ms).toBeLessThan(40_000);
  }, 60_000);

  it('that sends nothing is cut off within 20 seconds', async () => {
    const startedAt = performance.now();
    const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
    socket.resume();
    await once(socket, 'close');
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  }, 60_000);
});
