// Faults around the app, seen from a browser: the disk, the session file, the clock, the process.
// store/processes.test.ts tests the stores alone, auth/discovery.test.ts an issuer that is
// unreachable at start, auth/hostile-responses.test.ts malformed responses.
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import { freePort, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser, type Page } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';
import { startFleet } from '../support/app/instances.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';
import { launchServer, startServer, type ServerProcess } from '../support/app/server-process.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let folder: string;
let settings: Record<string, string>;
let url: string;
const running: ServerProcess[] = [];

beforeAll(async () => {
  issuer = await startSignInIssuer();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faults-'));
  const port = String(await freePort());
  url = `http://localhost:${port}`;
  settings = { ...issuer.env, PORT: port, SESSION_DB: join(folder, 'sessions.db') };
});
afterEach(async () => {
  vi.useRealTimers();
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});
afterAll(() => issuer.close());

async function start(...more: Parameters<typeof startServer>): Promise<ServerProcess> {
  const server = await startServer(...more);
  running.push(server);
  return server;
}

async function signIn(browser = new Browser()): Promise<Page> {
  return browser.open(`${url}/login?return_to=/profile`);
}

describe('a full disk', () => {
  it('refuses new sign-ins with a page, keeps existing sessions, and ends once there is room', async () => {
    const server = await start(settings, { shell: 'ulimit -f 700;' });
    const early = new Browser();
    expect((await signIn(early)).status).toBe(200);
    let page = await signIn();
    for (let count = 0; page.status === 200 && count < 1_000; count += 1) page = await signIn();
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
    expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);

    expect((await early.get(`${url}/profile`)).status).toBe(200);
    expect((await early.get(url)).status).toBe(200);
    const out = await early.post('/logout');
    expect([out.status, codeOn(out)]).toEqual([503, 'store_unavailable']);
    expect(server.output).toContain('store_full');

    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    await start(settings);
    expect((await early.get(`${url}/profile`)).status).toBe(200);
    expect((await signIn()).status).toBe(200);
  }, 90_000);
});

const file = () => String(settings['SESSION_DB']);

describe('the session file', () => {
  it('stops the start with one sentence and exit code 1 when it is read-only', async () => {
    await (await openEmbeddedStore({ file: file() })).close();
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(folder, 65_534, 65_534);
    await chmod(file(), 0o444);
    const server = launchServer(settings, isRoot ? { uid: 65_534 } : {});
    running.push(server);
    expect(await server.ended).toBe(1);
    expect(server.output).toMatch(/cannot start:\n {2}the session file \S+ cannot be written\n/);
    expect(server.output).not.toMatch(/^ +at /m);
  });

  it('stops the start when it is damaged, stays byte for byte, and is created anew once moved', async () => {
    const damaged = 'not a database, but the owner may want it back '.repeat(500);
    await writeFile(file(), damaged);
    const server = launchServer(settings);
    running.push(server);
    expect(await server.ended).toBe(1);
    expect(server.output).toMatch(/is not a database; move it aside to start afresh/);
    expect(await readFile(file(), 'utf8')).toBe(damaged);
    await rm(file());
    await start(settings);
    expect((await signIn()).status).toBe(200);
  });

  it('causes 503 pages, not a crash, when it is damaged while in use', async () => {
    const first = await start(settings);
    const browser = new Browser();
    for (let count = 0; count < 20; count += 1) await signIn(browser);
    first.child.kill('SIGTERM');
    await first.ended;
    const content = await readFile(file());
    await writeFile(file(), content.fill(0xa5, 8_192 * 2));
    const server = await start(settings);
    const page = await browser.get(`${url}/profile`);
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
    expect((await browser.get(url)).status).toBe(200);
    expect(server.output).toContain('store_damaged');
    expect(server.child.exitCode).toBeNull();
  });
});

describe('SIGKILL in the middle of many requests', () => {
  it('keeps every user signed in', async () => {
    const server = await start(settings);
    const browsers = Array.from({ length: 10 }, () => new Browser());
    for (const browser of browsers) expect((await signIn(browser)).status).toBe(200);
    const busy = browsers.flatMap((browser) => [
      browser.get(`${url}/profile`).catch(() => undefined),
      signIn().catch(() => undefined),
    ]);
    await Promise.race(busy);
    server.child.kill('SIGKILL');
    await Promise.all([server.ended, ...busy]);
    await start(settings);
    const pages = await Promise.all(browsers.map((browser) => browser.get(`${url}/profile`)));
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('a server clock', () => {
  it.each([
    ['5 minutes behind', -300_000, 'This server’s clock is 300 seconds behind AuthKit’s.'],
    ['2 hours ahead', 7_200_000, 'This server’s clock is 7200 seconds ahead of AuthKit’s.'],
  ])('%s is reported with its offset in the log and on the page', async (_case, skew, sentence) => {
    const fleet = await startFleet({ count: 1, skew: [skew] });
    const browser = new Browser();
    await browser.open(`${fleet.url}/profile`);
    const page = await browser.follow(await browser.press('Ada'));
    expect([page.status, codeOn(page)]).toEqual([502, 'clock_skew']);
    // A request may cross a second boundary.
    const said = plainText(page.body).replaceAll(/(\d+)(?= seconds (?:behind|ahead))/g, (seconds) =>
      String(Math.round(Number(seconds) / 10) * 10),
    );
    expect(said).toContain(sentence);
    const line = fleet.log.find(({ event }) => event === 'clock_skew');
    expect(line?.level).toBe('error');
    expect(Math.abs(Number(line?.['seconds']) - skew / 1_000)).toBeLessThan(5);
    await fleet.close();
  });

  it('20 seconds behind is accepted', async () => {
    const fleet = await startFleet({ count: 1, skew: [-20_000] });
    const browser = new Browser();
    await browser.open(`${fleet.url}/profile`);
    expect((await browser.follow(await browser.press('Ada'))).status).toBe(200);
    await fleet.close();
  });
});

describe('signing keys that become unreachable', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ env: issuer.env });
  });
  afterAll(() => app.close());
  afterEach(() => issuer.faults.clear());
  const visit = () => new Browser().open(`${app.url}/login?return_to=/profile`);

  it('serve sign-ins from memory for minutes, then cause 503 until they are back', async () => {
    expect((await visit()).status).toBe(200);
    issuer.faults.set('/oauth2/jwks', (req) => void req.socket.destroy());
    expect((await visit()).status).toBe(200);
    passMonotonic(301_000);
    const page = await visit();
    expect([page.status, codeOn(page)]).toEqual([503, 'issuer_unreachable']);
    issuer.faults.clear();
    expect((await visit()).status).toBe(200);
  });
});
