// The WebSocket and the event stream of docs/live.md in the README's app: only a valid session cookie
// opens them, and they end with the session.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { openSocket, openStream } from '../support/browser/connections.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { codeBlocks, readText, section } from '../support/reading/markdown.ts';
import { startCopy, type RunningCopy } from '../support/app/running-copy.ts';

const readme = section(readText('README.md'), 'Copy this into your app');
const advice = readText('docs/live.md');
const [host = ''] = codeBlocks(readme, 'ts');
const [sockets = ''] = codeBlocks(advice, 'ts');
let folder: string;
let authKit: LocalAuthKit;
let url: string;
let copy: RunningCopy;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-websocket-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  for (const text of [readme, advice]) {
    await copyFolders(text, '.', folder);
    await installPackages(text, folder);
  }
  const last = /\n[^\n]*\n$/.exec(host)?.[0] ?? '';
  expect(await compileHost(host.replace(last, `\n${sockets}`), folder)).toBe('');
  copy = await startCopy(folder, 'dist/server.js', url, authKit);
}, 120_000);
afterAll(async () => {
  await copy.stop();
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${url}/profile`);
  await browser.follow(await browser.press('Bruno'));
  return browser;
}

/** The first message, or the status of the refusal. */
function open(cookie: string, origin = url): Promise<string | number> {
  const headers = { ...(cookie !== '' && { cookie }) };
  const socket = new WebSocket(url.replace('http', 'ws'), { headers, origin });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      socket.close();
      resolve(data.toString());
    });
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
  });
}

/** The response to the request for an upgrade, and its raw connection. */
function ask(cookie: string): Promise<{ status: number | undefined; socket: Socket }> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    origin: url,
    ...(cookie !== '' && { cookie }),
  };
  return new Promise((resolve, reject) => {
    const settle = ({ statusCode: status, socket }: IncomingMessage) => resolve({ status, socket });
    httpRequest(url, { headers, agent: false })
      .on('error', reject)
      .on('response', settle)
      .on('upgrade', settle)
      .end();
  });
}

async function expectAlive(): Promise<void> {
  const opened = signedIn().then((browser) => open(cookieOf(browser)));
  expect(await opened.catch(() => copy.stderr())).toBe('Hello Bruno Okafor');
  expect(copy.process.exitCode, copy.stderr()).toBeNull();
}

const cookieOf = ({ jar }: Browser) => `session=${jar.find('session')?.value}`;

test('the WebSocket opens for a signed-in user', async () => {
  expect(await open(cookieOf(await signedIn()))).toBe('Hello Bruno Okafor');
});

test('the WebSocket is refused without a session', async () => {
  expect(await open('')).toBe(401);
});

test('the WebSocket is refused after sign-out', async () => {
  const browser = await signedIn();
  const cookie = cookieOf(browser);
  await browser.press('Sign out');
  expect(await open(cookie)).toBe(401);
});

test('the WebSocket is refused with an expired access token, until a page refreshes it', async () => {
  authKit.control.setAccessTokenSeconds({ seconds: 1 });
  const browser = await signedIn();
  authKit.control.reset();
  const isRefused = async () => (await open(cookieOf(browser))) === 401;
  await vi.waitUntil(isRefused, { interval: 200 });
  expect((await browser.open(`${url}/profile`)).status).toBe(200);
  expect(await open(cookieOf(browser))).toBe('Hello Bruno Okafor');
});

test('the WebSocket is refused to a page of another origin, despite the session cookie', async () => {
  const cookie = cookieOf(await signedIn());
  expect(await open(cookie, 'http://elsewhere.localhost')).toBe(403);
});

test.each(['session=s%3Aforged.AAAAAAAA', 'session=%', 'session=s:', 'session='])(
  'the WebSocket is refused with a forged cookie (%s), and the server survives',
  async (cookie) => {
    expect(await open(cookie)).toBe(401);
    await expectAlive();
  },
);

test('the server survives a refused client that resets the connection', async () => {
  const { status, socket } = await ask('');
  expect(status).toBe(401);
  socket.resetAndDestroy();
  await once(socket, 'close');
  await expectAlive();
});

test('the server closes the socket on a frame that breaks the protocol, and survives', async () => {
  const { status, socket } = await ask(cookieOf(await signedIn()));
  expect(status).toBe(101);
  socket.on('error', () => {}).resume();
  // Invalid: a client must mask its frames (RFC 6455 §5.1).
  socket.write(Buffer.from([0x81, 0x01, 0x41]));
  await once(socket, 'close');
  await expectAlive();
});

test('the WebSocket and the event stream are closed once the user has signed out', async () => {
  const browser = await signedIn();
  const [{ socket, closed }, stream] = await Promise.all([
    openSocket(browser, url),
    openStream(browser, `${url}/news`),
  ]);
  expect(socket.readyState).toBe(socket.OPEN);
  await vi.waitUntil(() => stream.text() !== '');
  await browser.press('Sign out');
  expect(await closed).toBe('4401 session ended');
  expect(await stream.ended).toBe('data: Hello Bruno Okafor\n\nevent: session-ended\ndata:\n\n');
});
