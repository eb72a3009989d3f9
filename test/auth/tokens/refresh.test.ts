// The access token is refreshed before it expires, for the same user and application.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { pass, startIssuerApp, type IssuerApp } from '../../support/app/issuer-app.ts';

const NOTICE = 'AuthKit cannot be reached';

let at: IssuerApp;

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());
beforeEach(() => at.reset());

describe('an access token', () => {
  beforeAll(async () => {
    at = await startIssuerApp({ OAUTH_RESOURCE: 'https://api.example.com' });
  });
  afterAll(() => at.stop());

  it.each([
    ['is refreshed 60 s before a lifetime of 300 s ends', { expires_in: 300 }, 240],
    ['is refreshed 60 s before a lifetime of 3600 s ends', { expires_in: 3_600 }, 3_540],
    ['is refreshed 20 s before a lifetime of 100 s ends', { expires_in: 100 }, 80],
    ['is refreshed by its exp claim when expires_in is missing', { expires_in: undefined }, 240],
  ])('%s', async (_, response, dueAfter) => {
    at.issuer.vary = { response };
    const browser = await at.signedIn();
    pass(dueAfter - 1);
    await browser.get('/profile');
    expect(at.refreshes()).toHaveLength(0);
    pass(1);
    await browser.get('/profile');
    await browser.get('/profile');
    expect(at.refreshes()).toHaveLength(1);
    expect(at.events('tokens_refreshed')).toMatchObject([{ sub: 'user_01', version: 2 }]);
  });

  it('is refreshed with the latest refresh token and the same resource', async () => {
    const browser = await at.signedIn();
    for (const next of ['second', 'third', undefined, 'fourth']) {
      at.issuer.vary = { response: { refresh_token: next } };
      pass(270);
      expect((await browser.get('/profile')).body).not.toContain(NOTICE);
    }
    const sent = at.refreshes().map((form) => form.get('refresh_token'));
    // The third response has no refresh token: the current one stays in use (RFC 6749 §6).
    expect(sent).toEqual(['a-refresh-token', 'second', 'third', 'third']);
    const resources = new Set(at.refreshes().map((form) => form.get('resource')));
    expect([...resources]).toEqual(['https://api.example.com']);
  });

  it('may be refreshed without a new ID token', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { response: { id_token: undefined } };
    pass(270);
    const page = await browser.get('/profile');
    expect([page.status, page.body.includes('nora@example.com')]).toEqual([200, true]);
    expect(at.refreshes()).toHaveLength(1);
  });

  it.each([
    ['an ID token about another user', { idToken: { sub: 'user_02' } }],
    ['an ID token of another issuer', { idToken: { iss: 'https://other.authkit.app' } }],
    ['an ID token for another application', { idToken: { aud: 'client_other' } }],
    ['an access token about another user', { accessToken: { sub: 'user_02' } }],
  ])('ends the session when the refresh returns %s', async (_, vary) => {
    const browser = await at.signedIn();
    at.issuer.vary = vary;
    pass(270);
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    expect(browser.jar.names()).not.toContain('session');
    expect(at.events('session_ended')).toMatchObject([{ reason: 'identity_changed' }]);
  });

  it('changes the organization at once, with an event', async () => {
    at.issuer.vary = { accessToken: { org_id: 'org_01' } };
    const browser = await at.signedIn();
    at.issuer.vary = { accessToken: { org_id: 'org_02' } };
    pass(270);
    const profile = await browser.get('/profile');
    expect(profile.body).toContain('org_02');
    expect(profile.body).not.toContain('org_01');
    expect(at.events('organization_changed')).toMatchObject([{ from: 'org_01', to: 'org_02' }]);
    at.issuer.vary = {};
    pass(270);
    expect((await browser.get('/organization')).status).toBe(403);
    expect(at.events('organization_changed')).toMatchObject([{}, { from: 'org_02' }]);
  });
});

describe('without offline_access', () => {
  beforeAll(async () => {
    at = await startIssuerApp({ OAUTH_SCOPE: 'openid profile email' });
  });
  afterAll(() => at.stop());

  it('the session stays, and only a page that needs a fresh token leads to a sign-in', async () => {
    at.issuer.vary = { response: { refresh_token: undefined } };
    const browser = await at.signedIn();
    expect((await browser.get('/api-call')).status).toBe(200);
    pass(600);
    const profile = await browser.get('/profile');
    expect([profile.status, profile.body.includes(NOTICE)]).toEqual([200, false]);
    expect(at.issuer.hits.get('/oauth2/token')).toBeUndefined();
    const call = await browser.open('/api-call');
    expect([call.url.pathname, call.status]).toEqual(['/api-call', 200]);
    expect(at.issuer.hits.get('/oauth2/token')).toBe(1);
  });
});
