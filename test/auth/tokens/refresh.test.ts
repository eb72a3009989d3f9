// The access token over time: renewed before it expires, for the same person and application.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { pass, startIssuerApp, type IssuerApp } from '../../support/app/issuer-app.ts';

const NOTICE = 'AuthKit cannot be reached';

let at: IssuerApp;

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());
beforeEach(() => at.calm());

describe('an access token', () => {
  beforeAll(async () => {
    at = await startIssuerApp({ OAUTH_RESOURCE: 'https://api.example.com' });
  });
  afterAll(() => at.stop());

  it.each([
    ['of 300 s is renewed when 60 s are left', { expires_in: 300 }, 240],
    ['of 3600 s is renewed when 60 s are left', { expires_in: 3_600 }, 3_540],
    ['of 100 s is renewed when a fifth of it is left', { expires_in: 100 }, 80],
    ['that names no lifetime lives as long as its claims say', { expires_in: undefined }, 240],
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

  it('is renewed with the refresh token that came last, and for the same resource', async () => {
    const browser = await at.signedIn();
    for (const next of ['second', 'third', undefined, 'fourth']) {
      at.issuer.vary = { response: { refresh_token: next } };
      pass(270);
      expect((await browser.get('/profile')).body).not.toContain(NOTICE);
    }
    const sent = at.refreshes().map((form) => form.get('refresh_token'));
    // The third answer brought none: that keeps the one there is.
    expect(sent).toEqual(['a-refresh-token', 'second', 'third', 'third']);
    const resources = new Set(at.refreshes().map((form) => form.get('resource')));
    expect([...resources]).toEqual(['https://api.example.com']);
  });

  it('may come without an ID token', async () => {
    const browser = await at.signedIn();
    at.issuer.vary = { response: { id_token: undefined } };
    pass(270);
    const page = await browser.get('/profile');
    expect([page.status, page.body.includes('nora@example.com')]).toEqual([200, true]);
    expect(at.refreshes()).toHaveLength(1);
  });

  it.each([
    ['an ID token of somebody else', { idToken: { sub: 'user_02' } }],
    ['an ID token of another issuer', { idToken: { iss: 'https://other.authkit.app' } }],
    ['an ID token for another application', { idToken: { aud: 'client_other' } }],
    ['an access token of somebody else', { accessToken: { sub: 'user_02' } }],
  ])('that comes with %s ends the session', async (_, vary) => {
    const browser = await at.signedIn();
    at.issuer.vary = vary;
    pass(270);
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');
    expect(browser.jar.names()).not.toContain('session');
    expect(at.events('session_ended')).toMatchObject([{ reason: 'identity_changed' }]);
  });

  it('for another organization takes effect at once, and is noticed', async () => {
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

  it('the session lives on; only what needs a fresh token asks to sign in again', async () => {
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
