// An authorization response counts once, in the browser that sent the request, within ten minutes,
// by GET (RFC 9700 §4.7).
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import {
  authorizationResponseFor,
  codeOn,
  outcome,
  whoIs,
  type Outcome,
} from '../../support/browser/callback.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => app.close());

describe('an authorization response that was used', () => {
  it('redirects to the same page each time it comes again (the back button)', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser, { returnTo: '/sessions' });
    expect(await outcome(browser, response)).toEqual([303, '/sessions']);
    const session = browser.jar.find('session')?.value;
    expect(await outcome(browser, response)).toEqual([303, '/sessions']);
    expect(await outcome(browser, response)).toEqual([303, '/sessions']);
    expect(browser.jar.find('session')?.value).toBe(session);
    expect(app.log.at(-1)).toMatchObject({ event: 'sign_in_continued', code: 'attempt_used' });
  });

  it('is refused after a sign-out, on a page that links to a new sign-in', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser, { returnTo: '/sessions' });
    await browser.open(response);
    await browser.post('/logout');
    const page = await browser.get(response);
    expect([page.status, codeOn(page)]).toEqual([400, 'attempt_used']);
    expect(page.body).toContain('href="/login?return_to=%2Fsessions"');
    expect(await whoIs(browser, app)).toBeUndefined();
  });

  it('signs in once when four copies arrive at the same moment', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const windows = Array.from({ length: 4 }, () => {
      const each = new Browser();
      each.jar.copyFrom(browser.jar);
      return each;
    });
    const outcomes = await Promise.all(windows.map((each) => outcome(each, response)));
    expect(outcomes.filter(([status]) => status === 303)).toHaveLength(1);
    expect(outcomes.filter(([, code]) => code === 'attempt_used')).toHaveLength(3);
  });
});

describe('an authorization response for another browser', () => {
  it('is refused where no sign-in is pending', async () => {
    const response = await authorizationResponseFor(app, new Browser());
    const other = new Browser();
    expect(await outcome(other, response)).toEqual([400, 'attempt_missing']);
    expect(other.jar.names()).toEqual([]);
  });

  it('is refused where another sign-in is pending, which still completes', async () => {
    const response = await authorizationResponseFor(app, new Browser(), { person: 'Bruno' });
    const other = new Browser();
    const own = await authorizationResponseFor(app, other, { person: 'Ada' });
    expect(await outcome(other, response)).toEqual([400, 'state_mismatch']);
    expect(await outcome(other, own)).toEqual([303, '/profile']);
    expect(await whoIs(other, app)).toBe('Ada Lindqvist');
  });

  it('does not replace the signed-in user (login CSRF)', async () => {
    const attackers = await authorizationResponseFor(app, new Browser(), { person: 'Bruno' });
    const victim = await signIn(app, { person: 'Ada' });
    expect(await outcome(victim, attackers)).toEqual([303, '/']);
    expect(await whoIs(victim, app)).toBe('Ada Lindqvist');
  });

  it('is refused when the cookie of the attempt was tampered with', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const attempt = [...browser.jar.cookies.values()].find(({ name }) =>
      name.startsWith('sign-in-'),
    );
    // Another first character: decoders ignore surplus bits of the last.
    const [first, ...rest] = attempt?.value ?? '';
    if (attempt) attempt.value = [first === 'A' ? 'B' : 'A', ...rest].join('');
    expect(await outcome(browser, response)).toEqual([400, 'attempt_missing']);
  });
});

describe('an authorization response that comes late', () => {
  it.each<[string, number, Outcome]>([
    ['signs in within the tenth minute', 599, [303, '/sessions']],
    ['is refused after ten minutes', 601, [400, 'attempt_expired']],
    ['is refused as unknown after an hour', 3_601, [400, 'attempt_missing']],
  ])('%s', async (_case, seconds, expected) => {
    const browser = new Browser();
    const start = await browser.get(`${app.url}/login?return_to=/sessions`);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
    let page = await browser.open(start.location ?? '');
    page = await browser.press('Bruno');
    while (page.location && page.location.pathname !== '/callback') {
      page = await browser.get(page.location);
    }
    expect(await outcome(browser, page.location ?? new URL(app.url))).toEqual(expected);
  });
});

describe('a method other than GET', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s gets 405 and spends nothing', async (method) => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const page = await browser.fetch(response, { method, headers: { accept: 'text/html' } });
    expect([page.status, page.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(JSON.parse(page.body)).toMatchObject({ error: 'method_not_allowed' });
    expect(await outcome(browser, response)).toEqual([303, '/profile']);
  });

  it('POST from response_mode=form_post gets a page that explains the refusal', async () => {
    const page = await new Browser().post(`${app.url}/callback`, { code: 'x', state: 'y' });
    expect([page.status, codeOn(page)]).toEqual([405, 'method_not_allowed']);
    expect(page.body).toContain('SameSite=Lax');
  });

  it('HEAD spends nothing', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const { status, headers } = await browser.fetch(response, { method: 'HEAD' });
    expect([status, headers['set-cookie']]).toEqual([200, undefined]);
    expect(await outcome(browser, response)).toEqual([303, '/profile']);
  });
});

it('a malformed request target is refused, and does not fail with 500', async () => {
  const socket = connect(app.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET http://999.1/callback?code=1 HTTP/1.1\r\nHost: localhost\r\n');
  socket.write('Sec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 (?:302|400) /);
});

it('a response is refused with an attempt that this app did not seal', async () => {
  const other = new Browser();
  const response = await authorizationResponseFor(app, other);
  // Not jar.names(), which leaves the application's suffix out.
  const attempts = [...other.jar.cookies.values()].filter(({ name }) =>
    name.startsWith('sign-in-'),
  );
  const name = attempts[0]?.name ?? 'none';
  expect(name).toContain('.');
  const state = response.searchParams.get('state');
  const made = { state, nonce: 'n', codeVerifier: 'v', returnTo: '/', startedAt: Date.now() };
  const browser = new Browser();
  const value = Buffer.from(JSON.stringify(made)).toString('base64url');
  browser.jar.store(new URL(app.url), [`${name}=${value}; Path=/`]);
  expect(await outcome(browser, response)).toEqual([400, 'attempt_missing']);
});
