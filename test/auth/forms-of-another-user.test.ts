// Another user may have signed in since a form was shown. Sent then, it would act for the wrong
// user.
import Database from 'libsql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn, whoIs } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

/** The action URLs of the forms on a page. */
async function formsOn(browser: Browser, path: string): Promise<string[]> {
  const { body } = await browser.get(app.url + path);
  return [...body.matchAll(/<form[^>]* action="([^"]+)"/g)].map(([, address = '']) => address);
}

describe('a form of Ada after Bruno has signed in', () => {
  let browser: Browser;
  let elsewhere: Browser;
  beforeEach(async () => {
    elsewhere = await signIn(app, { person: 'Bruno' });
    browser = await signIn(app, { person: 'Ada' });
  });

  it.each([
    ['/sessions', '/sessions/end-all', {}],
    ['/sessions', '/sessions/end', { handle: 'x' }],
    ['/profile', '/logout', {}],
    ['/draft', '/draft', { draft: 'a secret of Ada', action: 'keep' }],
  ])('on %s is refused with 409 at POST %s, and changes nothing', async (page, path, fields) => {
    const form = (await formsOn(browser, page)).find((address) => address.startsWith(`${path}?`));
    expect(form).toBeDefined();
    await browser.open(`${app.url}/login?return_to=/profile&prompt=login`);
    await browser.follow(await browser.press('Bruno'));
    const refused = await browser.post(app.url + (form ?? ''), fields);
    expect([refused.status, codeOn(refused)]).toEqual([409, 'other_person']);
    expect(plainText(refused.body)).toContain('Nothing was changed');
    expect([await whoIs(browser, app), await whoIs(elsewhere, app)]).toEqual([
      'Bruno Okafor',
      'Bruno Okafor',
    ]);
    expect((await browser.get(`${app.url}/draft`)).body).not.toContain('a secret of Ada');
  });
});

describe('a form', () => {
  it('is accepted in a newer session of the same user', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const [form = ''] = await formsOn(browser, '/profile');
    await browser.open(`${app.url}/login?return_to=/profile`);
    expect((await browser.post(app.url + form)).status).toBe(303);
    expect(await whoIs(browser, app)).toBeUndefined();
  });

  it('to sign out leads to /signed-out when the user is signed out already', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const [form = ''] = await formsOn(browser, '/profile');
    await browser.post(app.url + form);
    const again = await browser.post(app.url + form);
    expect([again.status, again.location?.pathname]).toEqual([303, '/signed-out']);
  });

  it('with a draft of a signed-out user is refused, and not kept for the next user', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const form = (await formsOn(browser, '/draft')).find((address) => address.startsWith('/draft'));
    await browser.post(`${app.url}/logout`);
    const refused = await browser.post(app.url + (form ?? ''), { draft: 'Ada’s', action: 'keep' });
    expect([refused.status, codeOn(refused)]).toEqual([401, 'login_required']);
    await browser.open(`${app.url}/login?return_to=/draft&prompt=login`);
    await browser.follow(await browser.press('Bruno'));
    expect((await browser.get(`${app.url}/draft`)).body).not.toContain('Ada’s');
  });

  it('gets 503, not as if its user were signed out, when the store fails', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const form = (await formsOn(browser, '/draft')).find((address) => address.startsWith('/draft'));
    const other = new Database(app.env['SESSION_DB'] ?? '');
    other.exec('ALTER TABLE sessions RENAME TO away');
    const page = await browser.post(app.url + (form ?? ''), { draft: 'a', action: 'keep' });
    other.exec('ALTER TABLE away RENAME TO sessions');
    other.close();
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
  });

  it('is accepted after a rotation of SESSION_SECRET', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const [form = ''] = await formsOn(browser, '/profile');
    const old = app.env['SESSION_SECRET'] ?? '';
    await app.restart({ SESSION_SECRET: `the-next-secret-of-the-tests-0123456789,${old}` });
    expect((await browser.post(app.url + form)).status).toBe(303);
    await app.restart({ SESSION_SECRET: old });
  });

  it('names its user by a hash that does not reveal the user', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const [form = ''] = await formsOn(browser, '/profile');
    const { sub = '' } = app.authKit.people.find(({ name }) => name.startsWith('Ada')) ?? {};
    expect(form).toMatch(/^\/logout\?person=[\w-]{43}$/);
    expect(form).not.toContain(sub);
  });

  it.each(['', '?person=', '?person=a&person=b', '?person[a]=b'])(
    'to /logout%s names no user, and signs the current user out',
    async (query) => {
      const browser = await signIn(app, { person: 'Ada' });
      expect((await browser.post(`${app.url}/logout${query}`)).status).toBe(303);
    },
  );

  it('of a visitor names no user', async () => {
    expect(await formsOn(new Browser(), '/draft')).toEqual(['/draft?person=']);
  });
});
