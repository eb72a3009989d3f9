// What an independent reading from the attacker's side found and what now holds, where no other file
// has it as a row of its own.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAuth } from '../../src/auth/index.ts';
import { Backoff } from '../../src/auth/tokens/backoff.ts';
import { createSealer } from '../../src/auth/session/seal.ts';
import { safeUrl } from '../../src/bearer/discovery.ts';
import { ConfigError, parseConfig } from '../../src/config/config.ts';
import { openStore } from '../../src/store/index.ts';
import { signIn, startTestApp, untilReady, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';
import { startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(() => app.authKit.control.reset());
afterAll(() => app.close());

const problemsOf = (env: Record<string, string>): string[] => {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [];
  }
};

describe('a refresh that fails', () => {
  it('over one grant holds back that session alone, over an absent AuthKit all of them', () => {
    const backoff = new Backoff();
    backoff.onRefusal('odd');
    backoff.onRefusal('odd, too');
    expect(backoff.remaining('odd')).toBeGreaterThan(0);
    expect(backoff.remaining('other')).toBeUndefined();
    backoff.onOutage('one', 'ada', false, 0);
    expect(backoff.remaining('one')).toBeGreaterThan(0);
    expect(backoff.remaining('other')).toBeUndefined();
    backoff.onOutage('another of hers', 'ada', false, 0);
    expect(backoff.remaining('other')).toBeUndefined();
    backoff.onOutage('two', 'bruno', false, 0);
    expect(backoff.remaining('other')).toBeGreaterThan(0);
    backoff.reset('other');
    expect(backoff.remaining('other')).toBeUndefined();
    backoff.onOutage('one', 'ada', true, 0);
    expect(backoff.remaining('other')).toBeGreaterThan(0);
  });
});

describe('the settings', () => {
  it('refuse a proxy setting in production that lets anybody name their address', () => {
    const env = { NODE_ENV: 'production', TRUST_PROXY: 'true' };
    expect(problemsOf(env).join('\n')).toMatch(/^TRUST_PROXY: trusts every sender/m);
  });

  it('refuse a weak secret behind https, whatever NODE_ENV says', () => {
    const env = { BASE_URL: 'https://app.example.com', SESSION_SECRET: 'short-but-16-long' };
    expect(problemsOf(env)).toEqual([expect.stringMatching(/^SESSION_SECRET: is weak/)]);
  });

  it('and no sealer takes an empty secret, which would make keys that everybody has', () => {
    expect(() => createSealer([''], 'anything')).toThrow(RangeError);
    expect(() => createSealer([], 'anything')).toThrow(RangeError);
  });

  it('and a copy with a short secret is told which option it is, and how to make one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'short-secret-'));
    const { store: records } = await openStore({ file: join(folder, 'sessions.db') });
    const url = new URL('http://localhost:1');
    const options = { issuer: url, clientId: 'client', baseUrl: url, records };
    for (const sessionSecrets of [[], ['fifteen-letters'], ['long-enough-for-this', 'short']]) {
      const start = () => createAuth({ ...options, sessionSecrets });
      expect(start).toThrow(RangeError);
      expect(start).toThrow(/^sessionSecrets: .* 16 characters .*randomBytes/);
    }
    for (const [name, value] of [
      ['idleSeconds', 0],
      ['idleSeconds', 0.5],
      ['maxSeconds', Infinity],
      ['maxSeconds', Number.NaN],
      ['maxSeconds', 31_536_001],
      ['staleSeconds', 0],
    ] as const) {
      const start = () =>
        createAuth({ ...options, sessionSecrets: ['long-enough-for-this'], [name]: value });
      expect(start).toThrow(new RegExp(`^${name}: .* whole number of seconds`));
    }
    await records.close();
    await rm(folder, { recursive: true });
  });
});

it('readiness answers within a second while AuthKit is silent', async () => {
  await untilReady(app);
  const before = app.authKit.control.requests().discovery;
  app.authKit.control.fault({ endpoint: 'discovery', kind: 'silent' });
  // The last look at AuthKit has to be old enough for a new one.
  passMonotonic(10_000);
  const startedAt = performance.now();
  const { status } = await fetch(`${app.url}/readyz`);
  expect(status).toBe(200);
  expect(app.authKit.control.requests().discovery).toBeGreaterThan(before);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

it('a callback whose address is malformed is refused, not a fault of the server', async () => {
  const socket = connect(app.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET http://999.1/callback?code=1 HTTP/1.1\r\nHost: localhost\r\n');
  socket.write('Sec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 (?:302|400) /);
});

it('foreign cookies that look like sign-in attempts do not stand in the way of a sign-in', async () => {
  const cookie = Array.from({ length: 5 }, (_, i) => `sign-in.\u00e9${i}=x`).join('; ');
  const headers = { cookie: Buffer.from(cookie).toString('latin1') };
  const { status } = await new Browser().get(`${app.url}/login`, { headers });
  expect(status).toBe(302);
});

it('an access token about somebody else signs nobody in', async () => {
  const issuer = await startSignInIssuer();
  const other = await startTestApp({ env: issuer.env });
  await untilReady(other);
  issuer.vary = { accessToken: { sub: 'user_02', org_id: 'org_victim' } };
  const browser = new Browser();
  const page = await browser.open(`${other.url}/login?return_to=/organization`);
  expect([page.status, codeOn(page)]).toEqual([502, 'user_mismatch']);
  expect(browser.jar.names()).not.toContain('session');
  await other.close();
  await issuer.close();
});

it('a sign-in over another gives the refresh token of the first back', async () => {
  const browser = await signIn(app);
  const before = app.authKit.control.requests().revocation;
  await browser.open(`${app.url}/login?return_to=/profile`);
  await vi.waitFor(() => {
    expect(app.authKit.control.requests().revocation).toBe(before + 1);
  });
});

it('an https issuer cannot point the API at a service of this machine', () => {
  const name = 'jwks_uri';
  expect(() => safeUrl('http://127.0.0.1:6379/', name, 'https://a.authkit.app')).toThrow(/https/);
  expect(safeUrl('http://127.0.0.1:6379/', name, 'http://localhost:4000').port).toBe('6379');
});
