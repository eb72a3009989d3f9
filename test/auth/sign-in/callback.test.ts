// When an answer counts: once, in the browser that asked, within ten minutes, by GET.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { answerOf, codeOn, outcome, whoIs, type Outcome } from '../../support/browser/callback.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => app.close());

describe('an answer that was used', () => {
  it('leads on to where it led before, again and again (the back button)', async () => {
    const browser = new Browser();
    const answer = await answerOf(app, browser, { returnTo: '/sessions' });
    expect(await outcome(browser, answer)).toEqual([303, '/sessions']);
    const session = browser.jar.find('session')?.value;
    expect(await outcome(browser, answer)).toEqual([303, '/sessions']);
    expect(await outcome(browser, answer)).toEqual([303, '/sessions']);
    expect(browser.jar.find('session')?.value).toBe(session);
    expect(app.log.at(-1)).toMatchObject({ event: 'sign_in_continued', code: 'attempt_used' });
  });

  it('is refused after signing out, and offers the way back', async () => {
    const browser = new Browser();
    const answer = await answerOf(app, browser, { returnTo: '/sessions' });
    await browser.open(answer);
    await browser.post('/logout');
    const page = await browser.get(answer);
    expect([page.status, codeOn(page)]).toEqual([400, 'attempt_used']);
    expect(page.body).toContain('href="/login?return_to=%2Fsessions"');
    expect(await whoIs(browser, app)).toBeUndefined();
  });

  it('signs in once, however many come at the same moment', async () => {
    const browser = new Browser();
    const answer = await answerOf(app, browser);
    const windows = Array.from({ length: 4 }, () => {
      const each = new Browser();
      each.jar.copyFrom(browser.jar);
      return each;
    });
    const outcomes = await Promise.all(windows.map((each) => outcome(each, answer)));
    expect(outcomes.filter(([status]) => status === 303)).toHaveLength(1);
    expect(outcomes.filter(([, code]) => code === 'attempt_used')).toHaveLength(3);
  });
});

describe('an answer for another browser', () => {
  it('is refused where no sign-in was started', async () => {
    const answer = await answerOf(app, new Browser());
    const other = new Browser();
    expect(await outcome(other, answer)).toEqual([400, 'attempt_missing']);
    expect(other.jar.names()).toEqual([]);
  });

  it('is refused where another sign-in was started, which goes on', async () => {
    const answer = await answerOf(app, new Browser(), { person: 'Bruno' });
    const other = new Browser();
    const own = await answerOf(app, other, { person: 'Ada' });
    expect(await outcome(other, answer)).toEqual([400, 'state_mismatch']);
    expect(await outcome(other, own)).toEqual([303, '/profile']);
    expect(await whoIs(other, app)).toBe('Ada Lindqvist');
  });

  it('signs nobody over to another account (login CSRF)', async () => {
    const attackers = await answerOf(app, new Browser(), { person: 'Bruno' });
    const victim = await signIn(app, { person: 'Ada' });
    expect(await outcome(victim, attackers)).toEqual([303, '/']);
    expect(await whoIs(victim, app)).toBe('Ada Lindqvist');
  });

  it('is refused with an attempt whose cookie was tampered with', async () => {
    const browser = new Browser();
    const answer = await answerOf(app, browser);
    const attempt = [...browser.jar.cookies.values()].find(({ name }) =>
      name.startsWith('sign-in-'),
    );
    if (attempt) attempt.value = `A${attempt.value.slice(1)}B`;
    expect(await outcome(browser, answer)).toEqual([400, 'attempt_missing']);
  });
});

describe('an answer that comes late', () => {
  it.each<[string, number, Outcome]>([
    ['in the tenth minute works', 599, [303, '/sessions']],
    ['after ten minutes is refused', 601, [400, 'attempt_expired']],
    [
      'after an hour is refused, as nothing is known of it any more',
      3_601,
      [400, 'attempt_missing'],
    ],
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

describe('the method', () => {
  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s is 405 and spends nothing', async (method) => {
    const browser = new Browser();
    const answer = await answerOf(app, browser);
    const page = await browser.fetch(answer, { method, headers: { accept: 'text/html' } });
    expect([page.status, page.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect(JSON.parse(page.body)).toMatchObject({ error: 'method_not_allowed' });
    expect(await outcome(browser, answer)).toEqual([303, '/profile']);
  });

  it('POST as form_post sends it is answered with a page that says why', async () => {
    const page = await new Browser().post(`${app.url}/callback`, { code: 'x', state: 'y' });
    expect([page.status, codeOn(page)]).toEqual([405, 'method_not_allowed']);
    expect(page.body).toContain('SameSite=Lax');
  });

  it('HEAD spends nothing', async () => {
    const browser = new Browser();
    const answer = await answerOf(app, browser);
    const { status, headers } = await browser.fetch(answer, { method: 'HEAD' });
    expect([status, headers['set-cookie']]).toEqual([200, undefined]);
    expect(await outcome(browser, answer)).toEqual([303, '/profile']);
  });
});
