// The draft of a request: kept for a visitor, still there after sign-in, gone after sign-out.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import Database from 'libsql';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn } from '../../support/browser/callback.ts';
import { plainText } from '../../support/browser/forms.ts';
import { HOSTILE } from '../../support/reading/view-fixtures.ts';

let app: TestApp;
let browser: Browser;
let url: string;

beforeAll(async () => {
  app = await startTestApp();
  url = `${app.url}/draft`;
});
beforeEach(() => {
  browser = new Browser();
});
afterAll(() => app.close());

const TEXT = 'Somebody posts the same\nin every thread.';

/** The value of the text field; HTML drops the first line break in a textarea. */
async function draftOf(by = browser): Promise<string> {
  const { body } = await by.open(url);
  const [, content = ''] = /<textarea[^>]*>\n?([^]*?)<\/textarea>/.exec(body) ?? [];
  return plainText(content.replaceAll('\n', '¶')).replaceAll('¶', '\n');
}

async function keep(draft: string, by = browser) {
  await by.open(url);
  return by.follow(await by.press('Save draft', { draft: draft.replaceAll('\n', '\r\n') }));
}

/** The rows of the sessions table. */
function rows(): unknown[] {
  const db = new Database(app.env['SESSION_DB'] ?? '', { readonly: true });
  const found = db.prepare('SELECT * FROM sessions').all();
  db.close();
  return found;
}

describe('the draft of a visitor', () => {
  it('is kept, shown again and found on the home page', async () => {
    const page = await keep(TEXT);
    expect([page.status, page.url.pathname]).toEqual([200, '/draft']);
    expect(plainText(page.body)).toContain('Draft saved.');
    expect(await draftOf()).toBe(TEXT);
    expect((await browser.open(app.url)).body).toContain('href="/draft"');
    expect(await draftOf(new Browser())).toBe('');
  });

  it('is still there after sign-in, under a new session id', async () => {
    await keep(TEXT);
    const cookie = browser.jar.find('session')?.value;
    await browser.open(`${app.url}/login?return_to=/draft`);
    const page = await browser.follow(await browser.press('Bruno'));
    expect(page.url.pathname).toBe('/draft');
    expect(plainText(page.body)).toContain('Signed in as Bruno Okafor');
    expect(await draftOf()).toBe(TEXT);
    expect(browser.jar.find('session')?.value).not.toBe(cookie);
  });

  it('is gone after sign-out', async () => {
    await signIn(app, { browser });
    await keep(TEXT);
    await browser.open(app.url);
    await browser.follow(await browser.press('Sign out'));
    expect(await draftOf()).toBe('');
  });

  it('is not shown to another user who signs in with the same browser', async () => {
    await signIn(app, { browser });
    await keep(TEXT);
    await browser.open(`${app.url}/login?prompt=login&return_to=/draft`);
    await browser.follow(await browser.press('Ada'));
    expect(await draftOf()).toBe('');
  });

  it('is empty after "Discard", a button that only a draft has', async () => {
    expect((await browser.open(url)).body).not.toContain('Discard');
    await keep(TEXT);
    await browser.open(url);
    const page = await browser.follow(await browser.press('Discard', { draft: TEXT }));
    expect(plainText(page.body)).toContain('Draft discarded.');
    expect(await draftOf()).toBe('');
  });

  it('is not reported as kept because of a link that says so', async () => {
    const page = await browser.open(`${url}?draft=kept`);
    expect(plainText(page.body)).not.toContain('saved.');
    await keep(TEXT);
    expect(plainText((await browser.open(`${url}?draft=discarded`)).body)).not.toContain(
      'discarded.',
    );
  });
});

describe('the text of a draft', () => {
  it.each([
    ['markup', HOSTILE],
    ['the end tag of the field', `</textarea><h1>Pwned</h1>${HOSTILE}`],
    ['a template', '<%= user %> ${user} {{user}}'],
    ['an empty first line', '\nHello'],
    ['characters of any script', 'ليلى 你好 🙂 \u0000'],
  ])('(%s) is shown unchanged', async (_what, text) => {
    await keep(text);
    expect(await draftOf()).toBe(text);
    expect(browser.page?.body).not.toContain('<h1>Pwned');
    expect(browser.page?.body).not.toContain('<script');
  });

  it('may have 2,000 characters, however the browser encodes them', async () => {
    for (const character of ['a', '\n', '€', '🙂'.slice(0, 2)]) {
      const text = `x${character.repeat(2_000)}`.slice(0, 2_000);
      expect((await keep(text)).status).toBe(200);
      expect((await draftOf()).length).toBe(2_000);
    }
    const page = await keep('a'.repeat(2_001));
    expect([page.status, codeOn(page)]).toEqual([413, 'body_too_large']);
    expect((await draftOf()).length).toBe(2_000);
  });

  it('may take 20 kB at most, in one field', async () => {
    await browser.open(url);
    const large = await browser.post('/draft', { draft: 'a'.repeat(30_000) });
    expect([large.status, codeOn(large)]).toEqual([413, 'body_too_large']);
    const body = 'draft=one&draft=two';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const twice = await browser.fetch('/draft', { method: 'POST', body, headers });
    expect(twice.status).toBe(400);
    expect(await draftOf()).toBe('');
  });
});

describe('the store', () => {
  it('is not written to by a page view', async () => {
    await keep(TEXT);
    const before = rows();
    await draftOf();
    await draftOf(new Browser());
    expect(rows()).toEqual(before);
  });

  it('gets no session for a visitor without a draft', async () => {
    const before = rows();
    for (const draft of ['', '  \n ']) {
      const page = await keep(draft);
      expect(page.status).toBe(200);
    }
    await browser.post('/draft', { action: 'discard' });
    expect((await browser.post('/draft')).status).toBe(400);
    expect(rows()).toEqual(before);
    expect(browser.jar.names()).toEqual([]);
  });

  it('is not written to when the draft is unchanged', async () => {
    await keep(TEXT);
    const before = rows();
    await keep(TEXT);
    expect(rows()).toEqual(before);
  });

  it('causes an error page when it fails, rather than a lost draft', async () => {
    await keep(TEXT);
    await browser.open(url);
    const db = new Database(app.env['SESSION_DB'] ?? '');
    db.exec('ALTER TABLE sessions RENAME TO away');
    const page = await browser.press('Save draft', { draft: 'Another' });
    const visitor = await new Browser().post(url, { draft: 'Another' }, { from: url });
    db.exec('ALTER TABLE away RENAME TO sessions');
    db.close();
    expect([page.status, codeOn(page)]).toEqual([503, 'store_unavailable']);
    expect([visitor.status, codeOn(visitor)]).toEqual([503, 'store_unavailable']);
    expect(await draftOf()).toBe(TEXT);
  });
});

describe('a form from another site', () => {
  it.each(['https://evil.example', 'http://evil.localhost'])(
    '(%s) is refused with 403, and changes nothing',
    async (from) => {
      await keep(TEXT);
      const page = await browser.post(url, { draft: 'Mine' }, { from });
      expect([page.status, codeOn(page)]).toEqual([403, 'cross_site_request']);
      const discard = await browser.post(url, { action: 'discard' }, { from });
      expect(discard.status).toBe(403);
      expect(await draftOf()).toBe(TEXT);
    },
  );
});

it('drafts count towards the limit of an address', async () => {
  await app.restart({ RATE_LIMIT: '3' });
  for (const draft of ['1', '2', '3']) {
    const { status } = await browser.post(url, { draft }, { from: url });
    expect(status).toBe(303);
  }
  const page = await browser.post(url, { draft: '4' }, { from: url });
  expect([page.status, codeOn(page)]).toEqual([429, 'rate_limited']);
  expect(await draftOf()).toBe('3');
  await app.restart({ RATE_LIMIT: '0' });
});
