// The journey from the home page to sign-out, by clicks in a real headless Chromium.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { startTestApp, type Kind, type TestApp } from '../support/app/app.ts';
import { launchChromium, newPage } from '../support/browser/chromium.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, it } = withParts('Chromium');

let chromium: Browser;
beforeAll(async () => {
  chromium = await launchChromium();
});
afterAll(() => chromium.close());

const press = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name }).first().click();

/** Clicks from the home page through sign-in. */
async function signIn(page: Page, app: TestApp, person: RegExp, kind: Kind = 'firstParty') {
  await page.goto(app.url);
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await press(page, person);
  if (person.source.includes('Chiara')) await press(page, 'Blue Kiln Studio');
  if (kind === 'thirdParty') await press(page, 'Allow');
  await page.getByRole('heading', { name: 'Hello' }).waitFor();
}

describe.each<Kind>(['firstParty', 'publicApp', 'thirdParty'])('as a %s application', (kind) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ kind });
  });
  afterAll(() => app.close());

  it.each([/^Ada/, /^Bruno/, /^Chiara/])(
    'signs in %s by clicks and shows their profile',
    async (person) => {
      const page = await newPage(chromium);
      await signIn(page, app, person, kind);
      expect(page.url()).toBe(`${app.url}/`);
      const { name, email, organizations } =
        app.authKit.people.find((each) => person.test(each.name)) ?? {};
      await page.getByRole('link', { name: 'Profile' }).first().click();
      const main = await page.getByRole('main').innerText();
      for (const text of [name, email, organizations?.[0]?.id ?? 'None'])
        expect(main).toContain(text);
      await page.context().close();
    },
  );
});

describe('a user', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('switches organizations', async () => {
    const page = await newPage(chromium);
    await signIn(page, app, /^Chiara/);
    const id = () => page.locator('dd code').innerText();
    await page.goto(`${app.url}/organization`);
    const before = await id();
    await page.getByRole('link', { name: 'Switch organization' }).click();
    await press(page, 'Meridian Labs');
    await page.waitForURL(`${app.url}/organization`);
    expect(await id()).not.toBe(before);
    await page.context().close();
  });

  it.each(['first', 'second'])('signs in with two tabs, the %s tab first', async (order) => {
    const one = await newPage(chromium);
    const two = await one.context().newPage();
    await one.goto(`${app.url}/profile`);
    await two.goto(`${app.url}/sessions`);
    for (const page of order === 'first' ? [one, two] : [two, one]) await press(page, /^Bruno/);
    await one.waitForURL(`${app.url}/profile`);
    await two.waitForURL(`${app.url}/sessions`);
    await two.getByRole('heading', { name: 'Your sessions' }).waitFor();
    await one.context().close();
  });

  it('stays signed in when going back and forward after sign-in', async () => {
    const page = await newPage(chromium);
    const callbacks: string[] = [];
    page.on('request', (request) => {
      if (request.url().startsWith(`${app.url}/callback`)) callbacks.push(request.url());
    });
    await page.goto(`${app.url}/profile`);
    await press(page, /^Bruno/);
    await page.waitForURL(`${app.url}/profile`);
    await page.goBack();
    await page.goForward();
    await page.getByRole('heading', { name: 'Your profile' }).waitFor();
    await page.goto(callbacks[0] ?? '');
    expect(page.url()).toBe(`${app.url}/profile`);
    await page.context().close();
  });

  it('signs out and signs in as another user', async () => {
    const page = await newPage(chromium);
    await signIn(page, app, /^Bruno/);
    await press(page, 'Sign out');
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    expect(page.url()).toBe(`${app.url}/signed-out`);
    expect((await page.context().cookies()).map(({ name }) => name)).not.toContain('session');
    await page.getByRole('link', { name: 'Sign in as someone else' }).click();
    await press(page, /^Ada/);
    await page.getByRole('heading', { name: 'Hello, Ada Lindqvist' }).waitFor();
    await page.context().close();
  });

  it('needs neither scripts nor a mouse', async () => {
    const context = await chromium.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${app.url}/profile`);
    await page.getByRole('button', { name: /^Bruno/ }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${app.url}/profile`);
    await page.getByRole('button', { name: 'Sign out' }).focus();
    await page.keyboard.press('Space');
    await page.waitForURL(`${app.url}/signed-out`);
    await context.close();
  });

  it('gets cookies that neither scripts nor other sites can use', async () => {
    const page = await newPage(chromium);
    await signIn(page, app, /^Bruno/);
    const cookies = await page.context().cookies(app.url);
    expect(cookies.find(({ name }) => name.startsWith('session-'))).toMatchObject({
      httpOnly: true,
      sameSite: 'Lax',
      path: '/',
    });
    expect(await page.evaluate('document.cookie')).toBe('');
    await page.context().close();
  });

  it('stays signed in when a form on another site posts to /logout', async () => {
    const page = await newPage(chromium);
    await signIn(page, app, /^Bruno/);
    const form = `<form method="post" action="${app.url}/logout"><button>Win</button></form>`;
    await page.route('http://evil.example/', (route) =>
      route.fulfill({ contentType: 'text/html', body: form }),
    );
    await page.goto('http://evil.example/');
    await press(page, 'Win');
    await page.getByText('cross_site_request').waitFor();
    await page.goto(`${app.url}/profile`);
    expect(page.url()).toBe(`${app.url}/profile`);
    await page.context().close();
  });
});

it('"Sign out" leads to an advertised end_session endpoint, which the CSP allows', async () => {
  const app = await startTestApp({ authKit: { endSession: true } });
  const page = await newPage(chromium);
  await signIn(page, app, /^Bruno/);
  await press(page, 'Sign out');
  await page.waitForURL(`${app.url}/signed-out?state=*`);
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await page.getByText('AuthKit has returned you from ending its own').waitFor();
  await page.goto(`${app.url}/profile`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.context().close();
  await app.close();
});
