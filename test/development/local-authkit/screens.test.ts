// Every screen of the local AuthKit in a real Chromium: axe, 320 px wide, dark, keyboard, CSP.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import {
  axeViolations,
  launchChromium,
  newPage,
  overflow,
  show,
} from '../../support/browser/chromium.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';
import { withParts } from '../../support/machine/with-parts.ts';

const { describe, it } = withParts('Chromium');

let authkit: LocalAuthKit;
let browser: Browser;
let client: LocalClient;
let thirdParty: LocalClient;
let tool: LocalClient;

beforeAll(async () => {
  authkit = await startTestAuthKit({ redirectUris: [REDIRECT_URI] });
  const { firstParty, thirdParty: third, commandLine } = authkit.applications;
  client = new LocalClient(authkit.issuer, firstParty.clientId);
  thirdParty = new LocalClient(authkit.issuer, third.clientId);
  tool = new LocalClient(authkit.issuer, commandLine.clientId);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
  await authkit.close();
});

const press = (name: string | RegExp) => (page: Page) =>
  page.getByRole('button', { name }).first().click();

async function openDevice(page: Page): Promise<void> {
  const { body } = await tool.post('/oauth2/device_authorization', { scope: 'openid' });
  await page.goto(body['verification_uri_complete'] ?? '');
}

const openAs = (url: () => URL) => (page: Page) => page.goto(url().href);
const signInAt = openAs(() => client.authorizationUrl());
const everyScope = 'openid profile email offline_access posts:read';
const consentAt = openAs(() => thirdParty.authorizationUrl({ scope: everyScope }));
const signOutAt = openAs(() => new URL('/oauth2/sign-out', authkit.issuer));
const unknownAt = openAs(() => client.authorizationUrl({ client_id: 'client_unknown' }));
const longUri = `https://${'a'.repeat(60)}.example/${'b'.repeat(300)}`;
const unregisteredAt = openAs(() => client.authorizationUrl({ redirect_uri: longUri }));
const confirmDevice = [openDevice, press('Continue')];
const ada = press(/^Ada/);

const SCREENS: [string, ((page: Page) => Promise<unknown>)[]][] = [
  ['Sign in', [signInAt]],
  ['Choose an organization', [signInAt, press(/^Chiara/)]],
  ['Ledgerly requests access', [consentAt, press(/^Bruno/)]],
  ['Something went wrong', [unknownAt]],
  ['Something went wrong', [unregisteredAt]],
  ['Connect a device', [openDevice]],
  ['Is this your device?', confirmDevice],
  ['Device connected', [...confirmDevice, press('Confirm'), ada]],
  ['Device not connected', [...confirmDevice, press('This is not mine')]],
  ['Sign out of the local AuthKit?', [...confirmDevice, press('Confirm'), ada, signOutAt]],
  ['You are not signed in', [signOutAt]],
  [
    'You are signed out of the local AuthKit',
    [...confirmDevice, press('Confirm'), ada, signOutAt, press('Sign out')],
  ],
];

describe.each(SCREENS)('the screen "%s"', (heading, steps) => {
  it('passes axe, fits and keeps its CSP, wide and light or narrow and dark', async () => {
    const page = await newPage(browser);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    for (const step of steps) await step(page);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    for (const look of [{}, { dark: true, narrow: true }]) {
      await show(page, look);
      expect(await axeViolations(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
    }
    await page.getByText('Local AuthKit, for development').waitFor();
    expect(complaints.filter((text) => !text.includes('400 (Bad Request)'))).toEqual([]);
    await page.context().close();
  });
});

it('the sign-in screen has a strict CSP, no script and no inline style', async () => {
  const page = await newPage(browser);
  const response = await page.goto(client.authorizationUrl().href);
  const policy = response?.headers()['content-security-policy'];
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("form-action 'self' http://localhost:3000");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(await page.locator('script, style, [style]').count()).toBe(0);
  await page.context().close();
});

it('sign-in works with the keyboard alone', async () => {
  const page = await newPage(browser);
  await page.goto(client.authorizationUrl().href);
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toContain('Ada Lindqvist');
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineWidth')).toBe('3px');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Choose an organization' }).waitFor();
  await page.context().close();
});

it('the consent screen shows the logo for the color scheme', async () => {
  for (const [dark, file] of [
    [false, 'ledgerly-light.svg'],
    [true, 'ledgerly-dark.svg'],
  ] as const) {
    const page = await newPage(browser, { dark });
    await consentAt(page);
    await press(/^Bruno/)(page);
    await page.getByRole('heading', { name: 'Ledgerly requests access' }).waitFor();
    const shown = await page.evaluate<string>('document.querySelector("img").currentSrc');
    expect(shown).toContain(file);
    const width = await page.evaluate('document.querySelector("img").naturalWidth');
    expect(width).toBeGreaterThan(0);
    await page.context().close();
  }
});

it('the sign-in form leads to the callback of the application in one click', async () => {
  const page = await newPage(browser);
  // Nothing listens there: the request is what counts.
  const callback = page.waitForRequest((request) =>
    request.url().startsWith(`${REDIRECT_URI}?code=`),
  );
  await page.goto(client.authorizationUrl().href);
  await press(/^Ada/)(page);
  await callback;
  const cookies = await page.context().cookies();
  expect(cookies.length).toBeGreaterThan(0);
  // The application has the same host: its own path and names keep these cookies apart from it.
  for (const { name, path } of cookies) expect(name + path).toMatch(/^local_authkit_.*\/oauth2/);
  await page.context().close();
});
