// A refresh that fails. An outage of AuthKit keeps the session; only a response that says the grant
// has ended ends it.
import type { RequestListener, ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { pass, startIssuerApp, type IssuerApp } from '../../support/app/issuer-app.ts';
import { json } from '../../support/authkit/issuer.ts';

const NOTICE = 'AuthKit cannot be reached';

let at: IssuerApp;

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());
beforeEach(() => at.reset());

const status =
  (code: number, body: unknown = 'out of order', headers = {}): RequestListener =>
  (_req, res) => {
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, String(value));
    json(res, body, code);
  };

describe('a refresh', () => {
  beforeAll(async () => {
    at = await startIssuerApp();
  });
  afterAll(() => at.stop());

  it.each<[string, RequestListener]>([
    ['cuts the connection', (req) => req.socket.destroy()],
    ['responds with 408', status(408)],
    ['responds with 429', status(429, { error: 'rate_limited' }, { 'retry-after': 3 })],
    ['responds with 500', status(500)],
    ['responds with 503', status(503, { error: 'temporarily_unavailable' })],
    ['responds with 400 without an error code', status(400, {})],
    ['responds with garbage', (_req, res) => void res.writeHead(200).end('<html>')],
    ['responds with 200 without a token', status(200, {})],
    ['refuses the client', status(401, { error: 'invalid_client' })],
  ])(
    'keeps pages working when AuthKit %s, and only a page that needs a fresh token gets 503',
    async (_, token) => {
      at.issuer.vary = { accessToken: { org_id: 'org_01' } };
      const browser = await at.signedIn();
      at.issuer.vary = { token };
      pass(270);
      const profile = await browser.get('/profile');
      expect([profile.status, profile.body.includes(NOTICE)]).toEqual([200, true]);
      expect((await browser.get('/organization')).status).toBe(200);
      // The old token is valid for another 30 s.
      expect((await browser.get('/api-call')).status).toBe(200);
      pass(31);
      const call = await browser.get('/api-call');
      expect(call.status).toBe(503);
      expect(Number(call.headers['retry-after'])).toBeGreaterThan(0);
      expect(call.body).toContain('fresh_token_unavailable');

      at.issuer.vary = { accessToken: { org_id: 'org_01' } };
      pass(60);
      expect((await browser.get('/api-call')).status).toBe(200);
      expect(at.events('session_ended')).toEqual([]);
    },
  );

  it('is logged as an error when AuthKit refuses the client', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { token: status(401, { error: 'invalid_client' }) };
    pass(270);
    await browser.get('/profile');
    expect(at.events('client_refused')).toMatchObject([{ level: 'error' }]);
  });

  it('is tried again after growing pauses, and not by every request, while AuthKit fails', async () => {
    const browser = await at.signedIn();
    pass(270);
    await browser.get('/profile');
    at.issuer.hits.clear();
    at.issuer.vary = { token: status(503) };
    pass(270);
    // Time stands still: a busy machine may take longer for twenty pages than the first pause.
    const now = performance.now();
    let passed = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now + passed);
    const pauses: number[] = [];
    for (let round = 1; round <= 4; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => browser.get('/profile')));
      expect(at.issuer.hits.get('/oauth2/token')).toBe(round);
      pauses.push(Number(at.events('refresh_failed').at(-1)?.['retryInSeconds']));
      passed += 1_000 * (pauses.at(-1) ?? 0);
    }
    vi.restoreAllMocks();
    // Each pause doubles, minus up to half as jitter.
    for (const [index, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(2 ** index / 2);
      expect(pause).toBeLessThanOrEqual(2 ** index);
    }
  });

  it('counts as one failure when many fail at the same time', async () => {
    const browsers = await Promise.all(Array.from({ length: 6 }, () => at.signedIn()));
    pass(270);
    await browsers[0]?.get('/profile');
    // AuthKit responds once all requests have arrived.
    const waiting: ServerResponse[] = [];
    const token: RequestListener = (_req, res) => {
      if (waiting.push(res) === browsers.length) for (const each of waiting) json(each, {}, 503);
    };
    at.issuer.vary = { token };
    pass(270);
    await Promise.all(browsers.map((browser) => browser.get('/profile')));
    const pauses = at.events('refresh_failed').map((line) => Number(line['retryInSeconds']));
    expect(pauses).toEqual(browsers.map(() => 1));
  });

  it('waits as long as Retry-After says', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { token: status(429, { error: 'slow_down' }, { 'retry-after': 45 }) };
    pass(270);
    await browser.get('/profile');
    pass(44);
    const call = await browser.get('/api-call');
    expect([call.status, call.headers['retry-after']]).toEqual([503, '1']);
    expect(at.issuer.hits.get('/oauth2/token')).toBe(1);
    pass(1);
    await browser.get('/profile');
    expect(at.issuer.hits.get('/oauth2/token')).toBe(2);
  });

  it('ends the session on invalid_grant, and leads back to the page after a new sign-in', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { token: status(400, { error: 'invalid_grant' }) };
    pass(270);
    const page = await browser.get('/profile?tab=time');
    expect(page.location?.href).toBe(`${at.app.url}/login?return_to=%2Fprofile%3Ftab%3Dtime`);
    expect(browser.jar.names()).not.toContain('session');
    expect(at.events('session_ended')).toMatchObject([{ reason: 'grant_ended' }]);
    at.issuer.vary = {};
    const back = await browser.follow(page);
    expect([back.status, back.url.href]).toEqual([200, `${at.app.url}/profile?tab=time`]);
  });

  it('tells a script to sign in on invalid_grant', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { token: status(400, { error: 'invalid_grant' }) };
    pass(270);
    const response = await browser.fetch('/profile');
    expect([response.status, JSON.parse(response.body)]).toMatchObject([
      401,
      { error: 'login_required', login: '/login?return_to=%2Fprofile' },
    ]);
  });
});
