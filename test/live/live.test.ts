// WebSockets and event streams of a host app: who may open one, and when it is closed.
import '../support/clock/clock.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { startLiveApp, type LiveApp } from '../support/app/live-app.ts';
import { Browser } from '../support/browser/browser.ts';
import { openSocket, openStream, refusalOf } from '../support/browser/connections.ts';
import { passTime } from '../support/clock/clock.ts';

const HOUR_S = 3_600;
const ENDED = /\nevent: session-ended\ndata:\n\n$/;
let app: LiveApp;

beforeAll(async () => {
  app = await startLiveApp({}, { idleSeconds: HOUR_S, maxSeconds: 3 * HOUR_S });
});
afterEach(() => app.broken.clear());
afterAll(() => app.close());

/** One of each kind, and how each was closed. */
async function connect(browser: Browser) {
  const stream = await openStream(browser, `${app.url}/news`);
  const { socket, closed } = await openSocket(browser, app.url);
  await vi.waitUntil(() => stream.text() !== '');
  return { stream, socket, closed: Promise.all([stream.ended, closed]) };
}

const expectEnded = async ({ closed }: { closed: Promise<unknown> }) =>
  expect(await closed).toEqual([expect.stringMatching(ENDED), '4401 session ended']);

const countReads = () => app.calls.filter((name) => name === 'read').length;

/** Resolves once each session, of two at most, has been read again. */
async function untilLookedAt(): Promise<void> {
  const before = countReads();
  await vi.waitUntil(() => countReads() >= before + 4);
}

const isOpen = ({ stream, socket }: Awaited<ReturnType<typeof connect>>) =>
  !stream.response.destroyed && socket.readyState === socket.OPEN;

describe('a WebSocket and an event stream', () => {
  test('are closed when the user signs out everywhere in another browser', async () => {
    const [one, other, ada] = [await app.signIn(), await app.signIn(), await app.signIn('Ada')];
    const [ours, theirs] = [await connect(one), await connect(ada)];
    await other.post(`${app.url}/everywhere`, {}, { from: app.url });
    await expectEnded(ours);
    await untilLookedAt();
    expect(isOpen(theirs)).toBe(true);
    theirs.stream.close();
    theirs.socket.close();
  });

  test('are closed when the user signs out in another tab', async () => {
    const browser = await app.signIn();
    const ours = await connect(browser);
    await browser.post(`${app.url}/logout`, {}, { from: app.url });
    await expectEnded(ours);
  });

  test('are closed when another user signs in, in the same browser', async () => {
    const browser = await app.signIn();
    const ours = await connect(browser);
    await app.signIn('Ada', browser);
    await expectEnded(ours);
  });

  test('do not keep a session that is not used otherwise', async () => {
    const ours = await connect(await app.signIn());
    passTime((HOUR_S * 1_000) / 2);
    await untilLookedAt();
    expect(isOpen(ours)).toBe(true);
    passTime((HOUR_S * 1_000) / 2 + 120_000);
    await expectEnded(ours);
  });

  test('are closed when the session has lasted its longest, although it is in use', async () => {
    const browser = await app.signIn();
    const ours = await connect(browser);
    for (let half = 0; half < 5; half += 1) {
      passTime((HOUR_S * 1_000) / 2);
      await browser.open(`${app.url}/profile`);
    }
    expect(isOpen(ours)).toBe(true);
    passTime((HOUR_S * 1_000) / 2);
    await expectEnded(ours);
  });

  test('send something every 15 seconds, so that no proxy takes them for idle', async () => {
    const { stream, socket } = await connect(await app.signIn());
    const pinged = new Promise((resolve) => {
      socket.once('ping', resolve);
    });
    passTime(15_000);
    await pinged;
    await vi.waitUntil(() => stream.text().endsWith('\n\n:\n\n'));
    stream.close();
    socket.close();
  });

  test('stay while the store is away for less than a minute', async () => {
    const ours = await connect(await app.signIn());
    for (let outage = 0; outage < 2; outage += 1) {
      app.broken.add('read');
      await untilLookedAt();
      passTime(40_000);
      await untilLookedAt();
      app.broken.clear();
      await untilLookedAt();
    }
    expect(isOpen(ours)).toBe(true);
    ours.stream.close();
    ours.socket.close();
  });

  test('are closed when the store has been away for a minute, to try again later', async () => {
    const ours = await connect(await app.signIn());
    app.broken.add('read');
    await untilLookedAt();
    passTime(60_000);
    // No `session-ended`: nobody knows.
    const hello = 'data: Hello Bruno Okafor\n\n';
    expect(await ours.closed).toEqual([hello, '1013 try again later']);
  });
});

describe('an upgrade', () => {
  test('is refused with 401 without a session, and after sign-out', async () => {
    expect(await refusalOf(new Browser(), app.url)).toBe('401 You are not signed in.');
    const browser = await app.signIn();
    const [cookie] = browser.jar.cookies.values();
    await browser.post(`${app.url}/logout`, {}, { from: app.url });
    const headers = { cookie: `${cookie?.name}=${cookie?.value}` };
    expect(await refusalOf(browser, app.url, headers)).toBe('401 You are not signed in.');
  });

  test.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('is refused with 403 to a page of another origin, despite the cookie: %j', async (headers) => {
    expect(await refusalOf(await app.signIn(), app.url, headers)).toBe(
      '403 This request came from another site and was refused.',
    );
  });

  test('is refused with 503 while the store is away', async () => {
    const browser = await app.signIn();
    app.broken.add('read');
    expect(await refusalOf(browser, app.url)).toBe('503 The session store cannot be reached.');
  });

  test('is refused with 401 once the access token has expired, until a page refreshes it', async () => {
    const browser = await app.signIn();
    passTime(400_000);
    expect(await refusalOf(browser, app.url)).toMatch(/^401 Your access token has expired/);
    await browser.open(`${app.url}/profile`);
    const { socket } = await openSocket(browser, app.url);
    socket.close();
  });
});

describe('an event stream', () => {
  test('is one event that the session has ended, where there is none', async () => {
    const stream = await openStream(new Browser(), `${app.url}/news`);
    expect(await stream.ended).toBe('event: session-ended\ndata:\n\n');
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
  });

  test('is empty while the store is away, so that the browser tries again', async () => {
    const browser = await app.signIn();
    app.broken.add('read');
    const stream = await openStream(browser, `${app.url}/news`);
    expect(await stream.ended).toBe(': The session store cannot be reached.\n\n');
    expect(stream.response.statusCode).toBe(200);
  });

  test('may be written to after its end', async () => {
    const browser = await app.signIn();
    const { ended } = await openStream(browser, `${app.url}/news`);
    const ours = app.streams.at(-1);
    // Ended, and not yet sent. An error event without a listener would fail this run.
    ours?.once('prefinish', () => void ours.write('data: too late\n\n'));
    await browser.post(`${app.url}/logout`, {}, { from: app.url });
    expect(await ended).toMatch(ENDED);
  });

  test('is refused with 403 to a page of another origin', async () => {
    const headers = { 'sec-fetch-site': 'same-site' };
    const stream = await openStream(await app.signIn(), `${app.url}/news`, headers);
    expect(stream.response.statusCode).toBe(403);
    expect(await stream.ended).toBe('This request came from another site and was refused.');
  });

  test('ends at once for HEAD', async () => {
    const page = await (await app.signIn()).fetch(`${app.url}/news`, { method: 'HEAD' });
    expect([page.status, page.body]).toEqual([200, '']);
  });

  test('sets no cookie and is no use of the session', async () => {
    const browser = await app.signIn();
    passTime(120_000);
    app.calls.length = 0;
    const stream = await openStream(browser, `${app.url}/news`);
    await vi.waitUntil(() => countReads() > 2);
    expect(new Set(app.calls)).toEqual(new Set(['read']));
    expect(stream.response.headers['set-cookie']).toBeUndefined();
    stream.close();
  });
});

test('a WebSocket whose session has ended is not listened to, even before the client has confirmed the close', async () => {
  const browser = await app.signIn();
  const { socket, closed } = await openSocket(browser, app.url);
  socket.send('in time');
  await vi.waitUntil(() => app.heard.at(-1) === 'Bruno Okafor: in time');
  socket.pause();
  const ours = app.sockets.at(-1);
  await browser.post(`${app.url}/logout`, {}, { from: app.url });
  await vi.waitUntil(() => ours?.readyState === socket.CLOSING);
  socket.send('too late');
  socket.resume();
  await closed;
  await vi.waitUntil(() => ours?.readyState === socket.CLOSED);
  expect(app.heard.at(-1)).toBe('Bruno Okafor: in time');
});

describe('of one session', () => {
  let small: LiveApp;
  beforeAll(async () => {
    small = await startLiveApp({ perSession: 3 });
  });
  afterAll(() => small.close());

  test('only so many connections are open at a time; the next is refused with 429', async () => {
    const [browser, other] = [await small.signIn(), await small.signIn()];
    const news = `${small.url}/news`;
    const first = await openStream(browser, news);
    await openSocket(browser, small.url);
    await openSocket(browser, small.url);
    await expect(openSocket(browser, small.url)).rejects.toThrow(/^429 Your session has too many/);
    expect((await openStream(browser, news)).response.statusCode).toBe(429);
    expect((await openStream(other, news)).response.statusCode).toBe(200);
    first.close();
    await vi.waitFor(() => openSocket(browser, small.url));
  });

  test('every connection is closed with 1001 when the server shuts down, and no other is let in', async () => {
    const browser = await small.signIn('Ada');
    const stream = await openStream(browser, `${small.url}/news`);
    const { closed } = await openSocket(browser, small.url);
    small.live.close();
    expect(await closed).toBe('1001 going away');
    expect(await stream.ended).toBe('data: Hello Ada Lindqvist\n\n');
    await expect(openSocket(browser, small.url)).rejects.toThrow(/^503 .* shutting down/);
    const late = await openStream(browser, `${small.url}/news`);
    expect(await late.ended).toBe(': This server is shutting down.\n\n');
  });
});
