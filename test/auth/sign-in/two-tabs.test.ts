// Several sign-ins at once in one browser. Each has its own attempt, so they complete in any order.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { authorizationResponseFor, outcome, whoIs } from '../../support/browser/callback.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

const attemptsIn = ({ jar }: Browser) => jar.names().filter((name) => name.startsWith('sign-in.'));

describe('two tabs at AuthKit at the same time', () => {
  it.each(['first', 'second'])(
    'each return to their own page when the %s one finishes first',
    async (one) => {
      const browser = new Browser();
      const first = await authorizationResponseFor(app, browser, { returnTo: '/profile' });
      const second = await authorizationResponseFor(app, browser, { returnTo: '/sessions?tab=2' });
      const inOrder = one === 'first' ? [first, second] : [second, first];
      const ends = [];
      for (const response of inOrder) ends.push((await browser.get(response)).location?.href);
      const expected = [`${app.url}/profile`, `${app.url}/sessions?tab=2`];
      expect(ends).toEqual(one === 'first' ? expected : expected.toReversed());
      expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    },
  );

  it('each return to their own page when they start at the same moment', async () => {
    const browser = new Browser();
    await authorizationResponseFor(app, browser);
    const pages = ['/profile', '/organization', '/sessions'];
    const starts = await Promise.all(
      pages.map((path) => browser.get(`${app.url}/login?return_to=${path}`)),
    );
    const ends = [];
    for (const { location } of starts) {
      let page = await browser.get(location ?? '');
      while (page.location?.port !== String(app.port))
        page = await browser.get(page.location ?? '');
      ends.push((await browser.get(page.location)).location?.pathname);
    }
    expect(ends).toEqual(pages);
  });

  it('may be two users, of whom the last to finish is signed in', async () => {
    const browser = new Browser();
    const bruno = await authorizationResponseFor(app, browser, { person: 'Bruno' });
    await browser.get(`${app.url}/login?prompt=login&return_to=/sessions`);
    const start = await browser.get(`${app.url}/login?prompt=login&return_to=/sessions`);
    await browser.open(start.location ?? '');
    let page = await browser.press('Ada');
    while (page.location?.pathname !== '/callback') page = await browser.get(page.location ?? '');
    await browser.get(bruno);
    expect(await outcome(browser, page.location)).toEqual([303, '/sessions']);
    expect(await whoIs(browser, app)).toBe('Ada Lindqvist');
  });
});

describe('pending attempts of one browser', () => {
  it('are at most five, which can all be completed; a sixth replaces the oldest', async () => {
    const browser = new Browser();
    const paths = ['/?1', '/?2', '/?3', '/?4', '/?5'];
    const responses = [];
    for (const returnTo of paths)
      responses.push(await authorizationResponseFor(app, browser, { returnTo }));
    expect(attemptsIn(browser)).toHaveLength(5);
    responses.push(await authorizationResponseFor(app, browser, { returnTo: '/?6' }));
    expect(attemptsIn(browser)).toHaveLength(5);

    const [oldest, ...others] = responses;
    expect(await outcome(browser, oldest ?? '')).toEqual([400, 'state_mismatch']);
    for (const [index, response] of others.entries()) {
      const { location } = await browser.get(response);
      expect(location?.search).toBe(`?${index + 2}`);
    }
  });

  it('need less than 8 kB of cookies, however long their return_to is', async () => {
    const browser = new Browser();
    for (let tab = 0; tab < 6; tab += 1) {
      const returnTo = `/profile?tab=${tab}&q=${randomBytes(580).toString('base64url')}`;
      const { location } = await browser.get(
        `${app.url}/login?return_to=${encodeURIComponent(returnTo)}`,
      );
      expect(location?.pathname).toBe('/oauth2/authorize');
    }
    expect(attemptsIn(browser)).toHaveLength(5);
    const visit = { from: undefined, method: 'GET', isNavigation: true };
    expect(browser.jar.header(new URL(app.url), visit).length).toBeLessThan(8_000);
  });

  it('have cookies whose length says nothing of what return_to repeats (CRIME)', async () => {
    const lengths = [];
    for (const text of ['codeVerifier'.repeat(40), randomBytes(360).toString('base64url')]) {
      const browser = new Browser();
      await browser.get(`${app.url}/login?return_to=/profile?q=${text}`);
      const [name = ''] = attemptsIn(browser);
      lengths.push(browser.jar.find(name)?.value.length);
    }
    expect(lengths[0]).toBeGreaterThan(900);
    expect(lengths[1]).toBe(lengths[0]);
  });
});
