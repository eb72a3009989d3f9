// Every response to a refresh falls under one rule. A session that AuthKit refuses soon ends; an
// outage of AuthKit or a wrong configuration signs no user out.
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Browser } from '../../support/browser/browser.ts';
import { pass, startIssuerApp, type IssuerApp } from '../../support/app/issuer-app.ts';
import { json } from '../../support/authkit/issuer.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

let at: IssuerApp;
const inOrganization = { accessToken: { org_id: 'org_01' } };
const errorResponse =
  (status: number, error: unknown, headers: object = {}): RequestListener =>
  (_req, res) => {
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, String(value));
    json(res, { error }, status);
  };
const htmlResponse =
  (status: number): RequestListener =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Blocked</h1>');

/** A signed-in user with an organization whose access token is due; AuthKit responds like this. */
async function due(token: RequestListener): Promise<Browser> {
  at.issuer.vary = inOrganization;
  const browser = await at.signedIn();
  pass(270);
  at.issuer.vary = { token };
  return browser;
}

const isSentToLogin = ({ status, location }: Awaited<ReturnType<Browser['get']>>) =>
  status === 302 && location?.pathname === '/login';

describe('with offline_access', () => {
  beforeAll(async () => {
    at = await startIssuerApp();
  });
  beforeEach(() => at.reset());
  afterAll(() => at.stop());

  it.each([400, 401, 403, 429, 500])(
    'invalid_grant with status %i ends the session at once',
    async (status) => {
      const browser = await due(errorResponse(status, 'invalid_grant'));
      expect(isSentToLogin(await browser.get('/profile'))).toBe(true);
      expect(at.events('session_ended')).toMatchObject([{ reason: 'grant_ended' }]);
      expect(at.events('refresh_failed')).toMatchObject([{ code: 'refresh_refused' }]);
    },
  );

  const REFUSALS: [number, string][] = [
    [400, 'access_denied'],
    [403, 'access_denied'],
    [400, 'consent_required'],
    [403, 'organization_membership_inactive'],
    [400, 'sso_required'],
    [401, 'invalid_token'],
    // Says nothing about a refresh token, for which AuthKit has `invalid_grant`.
    [400, 'invalid_code'],
    [422, 'an_unknown_error_code'],
  ];

  it.each(REFUSALS)('the third refusal with %i %s ends the session', async (status, error) => {
    const browser = await due(errorResponse(status, error));
    for (let refusal = 1; refusal <= 2; refusal += 1) {
      expect((await browser.get('/organization')).status).toBe(200);
      expect(at.events('session_ended')).toEqual([]);
      pass(5);
    }
    expect(isSentToLogin(await browser.get('/organization'))).toBe(true);
    expect(at.events('session_ended')).toMatchObject([{ reason: 'grant_refused' }]);
    expect((await browser.get('/')).body).not.toContain('Sign out');
  });

  it.each(REFUSALS)(
    'a refusal with %i %s one minute after the first ends the session',
    async (status, error) => {
      const browser = await due(errorResponse(status, error));
      expect((await browser.get('/profile')).status).toBe(200);
      pass(61);
      expect(isSentToLogin(await browser.get('/profile'))).toBe(true);
      expect(at.events('session_ended')).toMatchObject([{ reason: 'grant_refused' }]);
    },
  );

  it('a successful refresh sets the count of refusals back to zero', async () => {
    const browser = await due(errorResponse(403, 'access_denied'));
    for (let round = 0; round < 4; round += 1) {
      at.issuer.vary = { token: errorResponse(403, 'access_denied') };
      expect((await browser.get('/profile')).status).toBe(200);
      pass(10);
      at.issuer.vary = inOrganization;
      expect((await browser.get('/profile')).status).toBe(200);
      pass(270);
    }
    expect(at.events('session_ended')).toEqual([]);
  });

  const AWAY: [string, RequestListener][] = [
    ...[
      'invalid_client',
      'unauthorized_client',
      'invalid_request',
      'invalid_scope',
      'invalid_target',
      'unsupported_grant_type',
    ].map((error): [string, RequestListener] => [`400 ${error}`, errorResponse(400, error)]),
    [
      '401 invalid_client',
      errorResponse(401, 'invalid_client', { 'www-authenticate': 'Basic realm="x"' }),
    ],
    ['408 in JSON', errorResponse(408, 'access_denied')],
    ['425 in JSON', errorResponse(425, 'access_denied')],
    ['429 in JSON', errorResponse(429, 'access_denied')],
    ['500 in JSON', errorResponse(500, 'access_denied')],
    ['an HTML page with 403', htmlResponse(403)],
    ['an HTML page with 401', htmlResponse(401)],
    ['an HTML page with 200', htmlResponse(200)],
    ['403 with an error that is no string', errorResponse(403, { code: 1010 })],
    ['400 with null as its body', (_req, res) => json(res, null, 400)],
    ['400 with a list as its body', (_req, res) => json(res, ['access_denied'], 400)],
    ['a cut connection', (req) => req.socket.destroy()],
  ];

  it.each(AWAY)('%s keeps the session, which opens pages for an hour only', async (_, token) => {
    const browser = await due(token);
    for (let minute = 0; minute < 60; minute += 10) {
      expect((await browser.get('/profile')).status).toBe(200);
      pass(600);
    }
    // The organization comes from the access token, which has long expired.
    const organization = await browser.get('/organization');
    expect([organization.status, organization.headers['retry-after']]).toEqual([
      503,
      expect.any(String),
    ]);
    pass(60);
    const profile = await browser.get('/profile');
    expect(profile.status).toBe(503);
    expect(Number(profile.headers['retry-after'])).toBeGreaterThan(0);
    expect(at.events('session_ended')).toEqual([]);
    at.issuer.vary = inOrganization;
    pass(400);
    expect((await browser.get('/organization')).status).toBe(200);
  });

  it('a response that shows a wrong configuration is logged as an error', async () => {
    const browser = await due(errorResponse(400, 'invalid_scope'));
    await browser.get('/profile');
    expect(at.events('client_refused')).toMatchObject([{ level: 'error' }]);
  });

  it('a failed refresh of one session does not stop the refresh of another', async () => {
    const unlucky = await due(errorResponse(503, 'temporarily_unavailable'));
    await unlucky.get('/profile');
    at.issuer.vary = inOrganization;
    const lucky = await at.signedIn();
    pass(270);
    await unlucky.get('/profile');
    at.issuer.vary = { token: errorResponse(503, 'temporarily_unavailable') };
    pass(270);
    await unlucky.get('/profile');
    at.issuer.vary = inOrganization;
    await lucky.get('/profile');
    expect(at.events('tokens_refreshed').length).toBeGreaterThan(0);
  });

  it.each<[string, (date: Date) => string]>([
    ['a number of seconds', () => '120'],
    ['a date', (date) => new Date(date.getTime() + 120_000).toUTCString()],
  ])('Retry-After as %s delays the next refresh', async (_, retryAfter) => {
    const browser = await due((_req, res) => {
      const date = new Date();
      res.setHeader('date', date.toUTCString());
      res.setHeader('retry-after', retryAfter(date));
      json(res, {}, 503);
    });
    await browser.get('/profile');
    expect(at.events('refresh_failed')).toMatchObject([{ retryInSeconds: 120 }]);
  });

  it('a session without a refresh token ends with its access token on every page', async () => {
    at.issuer.vary = { ...inOrganization, response: { refresh_token: undefined } };
    const browser = await at.signedIn();
    pass(299);
    expect((await browser.get('/')).body).toContain('Sign out');
    pass(2);
    expect((await browser.get('/')).body).not.toContain('Sign out');
    expect(at.events('session_ended')).toMatchObject([{ reason: 'not_renewable' }]);
    expect(isSentToLogin(await browser.get('/profile'))).toBe(true);
  });

  it('a wall clock that jumps two hours and back ends no session and stops no refresh', async () => {
    at.issuer.vary = inOrganization;
    const browser = await at.signedIn();
    at.issuer.vary = { token: errorResponse(503, 'temporarily_unavailable') };
    vi.setSystemTime(Date.now() + 7_200_000);
    await browser.get('/profile');
    vi.setSystemTime(Date.now() - 7_200_000);
    expect((await browser.get('/profile')).status).toBe(200);
    at.issuer.vary = inOrganization;
    pass(270);
    expect((await browser.get('/profile')).status).toBe(200);
    expect(at.events('tokens_refreshed')).toHaveLength(1);
    expect(at.events('session_ended')).toEqual([]);
  });
});

describe('without offline_access', () => {
  beforeAll(async () => {
    at = await startIssuerApp({ OAUTH_SCOPE: 'openid profile email' });
  });
  beforeEach(() => at.reset());
  afterAll(() => at.stop());

  it('a session stays, but its organization ends five minutes after the access token', async () => {
    at.issuer.vary = { ...inOrganization, response: { refresh_token: undefined } };
    const browser = await at.signedIn();
    pass(599);
    expect((await browser.get('/organization')).status).toBe(200);
    pass(2);
    expect(isSentToLogin(await browser.get('/organization'))).toBe(true);
    expect((await browser.get('/profile')).status).toBe(200);
  });
});
