// Guards redirect a signed-out user to /login. A script gets 401: it would see the redirect to
// another origin only as an opaque error.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const PAGES = ['/profile', '/organization', '/sessions', '/moderation', '/api-call'];

describe.each(PAGES)('%s without a sign-in', (path) => {
  it('redirects a page navigation to /login, which leads back', async () => {
    const { status, location } = await new Browser().get(`${app.url}${path}?a=b`);
    expect(status).toBe(302);
    expect(location?.href).toBe(`${app.url}/login?return_to=${encodeURIComponent(`${path}?a=b`)}`);
  });

  it('responds to a script with 401 and JSON that names the login URL', async () => {
    const { status, headers, body } = await new Browser().fetch(`${app.url}${path}`);
    expect(status).toBe(401);
    expect(headers['content-type']).toMatch('application/json');
    expect(headers['cache-control']).toBe('no-store');
    expect(JSON.parse(body)).toEqual({
      error: 'login_required',
      message: 'You are not signed in.',
      login: `/login?return_to=${encodeURIComponent(path)}`,
    });
  });
});

describe('a guard without a sign-in', () => {
  type Headers = Record<string, string>;
  const html = { accept: 'text/html,*/*;q=0.8' };

  async function statusFor(headers: Headers): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const sent = request(`${app.url}/profile`, { headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject).end();
    });
  }

  it.each<[string, Headers, number]>([
    ['a navigation', { 'sec-fetch-mode': 'navigate', ...html }, 302],
    ['a navigation that accepts anything', { 'sec-fetch-mode': 'navigate', accept: '*/*' }, 302],
    ['a fetch that accepts HTML', { 'sec-fetch-mode': 'cors', ...html }, 401],
    ['a same-origin fetch', { 'sec-fetch-mode': 'same-origin', accept: '*/*' }, 401],
    ['an image', { 'sec-fetch-mode': 'no-cors', accept: 'image/*' }, 401],
    ['a prefetch', { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch', ...html }, 401],
    [
      'a prerender',
      { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch;prerender', ...html },
      401,
    ],
    ['a prefetch by an old browser', { purpose: 'prefetch', ...html }, 401],
    ['a browser without Sec-Fetch', html, 302],
    ['a script without Sec-Fetch', { accept: 'application/json' }, 401],
    ['a script that accepts anything', { accept: '*/*' }, 401],
    ['a client without these headers', {}, 401],
  ])('responds to %s with $2', async (_case, headers, status) => {
    expect(await statusFor(headers)).toBe(status);
  });
});

describe('a form sent without a sign-in', () => {
  it('gets 303 to /login, which leads back to the page of the form', async () => {
    const { status, location } = await new Browser().post(
      `${app.url}/sessions/end`,
      { handle: 'x' },
      { from: `${app.url}/sessions`, headers: { referer: `${app.url}/sessions?a=b` } },
    );
    expect([status, location?.search]).toEqual([303, '?return_to=%2Fsessions']);
  });

  it('gets 303 to /login, which leads to / when the page of the form is unknown', async () => {
    const { status, location } = await new Browser().post(`${app.url}/sessions/end-all`);
    expect([status, location?.search]).toEqual([303, '?return_to=%2F']);
  });
});

describe('a page that needs an organization', () => {
  it('is shown to a user with an organization', async () => {
    const { page } = await signIn(app, { person: 'Bruno', path: '/organization' });
    expect(page?.status).toBe(200);
    expect(plainText(page?.body ?? '')).toMatch(/Organization id org_\w{26}/);
  });

  it('responds with 403 to a user without one, who stays signed in and may choose one', async () => {
    const browser = await signIn(app, { person: 'Ada', path: '/organization' });
    expect(browser.page?.status).toBe(403);
    expect(browser.page && codeOn(browser.page)).toBe('organization_required');
    expect(browser.page?.body).toContain('href="/login?return_to=%2Forganization"');
    expect((await browser.get('/profile')).status).toBe(200);
    const { status, body } = await browser.fetch('/organization');
    expect([status, JSON.parse(body)]).toMatchObject([403, { error: 'organization_required' }]);
  });
});

it('every page about the user has Cache-Control: no-store', async () => {
  const browser = await signIn(app);
  for (const path of ['/', ...PAGES]) {
    expect((await browser.get(path)).headers['cache-control'], path).toBe('no-store');
  }
});
