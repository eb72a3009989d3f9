// The closed lists of error codes, and the common parts of every error page.
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SIGN_IN_ERROR_CODES, SignInError } from '../../src/auth/index.ts';
import { ADVICE } from '../../src/demo/advice.ts';
import { PAGE_ERROR_CODES } from '../../src/demo/errors.ts';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';
import { authorizationResponseFor, codeOn, withParameters } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';

it.each([...SIGN_IN_ERROR_CODES, ...PAGE_ERROR_CODES])(
  'the error code %s occurs in a test',
  async (code) => {
    const folder = new URL('..', import.meta.url);
    const files = (await readdir(folder, { recursive: true })).filter((name) =>
      name.endsWith('.test.ts'),
    );
    const texts = await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')));
    expect(texts.some((text) => text.includes(code))).toBe(true);
  },
);

describe('an error page', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('says what happened and what to do, and has its code and reference in the log', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser, { returnTo: '/sessions?a=b' });
    const page = await browser.get(withParameters(response, { code: 'not-the-code' }));
    const { message } = new SignInError('code_refused');
    const advice = ADVICE['code_refused'];
    const heading = message.replace(/\.$/, '');
    const shown = plainText(page.body);
    expect(shown).toContain(`${heading} ${advice} Sign in again Go to the home page`);
    expect(page.body).toContain('href="/login?return_to=%2Fsessions%3Fa%3Db"');
    expect(page.headers['cache-control']).toBe('no-store');

    const reference = /Reference ([\w-]{8})/.exec(shown)?.[1];
    expect(reference).toMatch(/^[\w-]{8}$/);
    expect(app.log.find((line) => line['reference'] === reference)).toMatchObject({
      event: 'request_refused',
      code: 'code_refused',
      status: 400,
    });
  });

  it('shows no text from the request', async () => {
    const evil = { error: 'evil<b>', error_description: 'Call 555-EVIL', error_uri: 'http://evil' };
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const page = await browser.get(withParameters(response, { code: [], ...evil }));
    expect(codeOn(page)).toBe('authorization_refused');
    expect(page.body).not.toMatch(/evil/i);
  });

  it('is JSON with the same code and reference for a script', async () => {
    const { status, body } = await new Browser().fetch(`${app.url}/callback?code=x&state=y`);
    const { error, reference, ...words } = JSON.parse(body) as Record<string, string>;
    expect([status, error]).toEqual([400, 'attempt_missing']);
    expect(words).toEqual({ message: expect.any(String), advice: expect.any(String) });
    expect(app.log.at(-1)).toMatchObject({ reference, code: 'attempt_missing' });
  });

  it('for an unknown path has the code not_found', async () => {
    const page = await new Browser().get(`${app.url}/nowhere`);
    expect([page.status, codeOn(page)]).toEqual([404, 'not_found']);
  });

  it('leaves code and state out of the log', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    await browser.get(withParameters(response, { iss: 'https://other.example' }));
    await browser.get(response);
    const log = JSON.stringify(app.log);
    for (const name of ['code', 'state']) {
      expect(log).not.toContain(response.searchParams.get(name));
    }
  });
});

it('an error page in production holds no hint for developers', async () => {
  const issuer = await startSignInIssuer();
  issuer.vary = { metadata: { issuer: 'https://other.authkit.app' } };
  const app = await startTestApp({ env: issuer.env });
  const hint = 'other.authkit.app';
  expect((await new Browser().get(`${app.url}/login`)).body).toContain(hint);
  await app.restart({ NODE_ENV: 'production' });
  const page = await new Browser().get(`${app.url}/login`);
  expect([codeOn(page), page.body.includes(hint)]).toEqual(['issuer_mismatch', false]);
  await app.close();
  await issuer.close();
});
