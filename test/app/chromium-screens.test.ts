// Every screen of one journey through the app and the local AuthKit, in light, dark and narrow
// windows: axe finds no violation, nothing is cut off, and no page's CSP blocks its own content.
// test/demo/views.test.ts has axe look at every view in light and dark.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import {
  axeViolations,
  launchChromium,
  newPage,
  overflow,
  show,
} from '../support/browser/chromium.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe } = withParts('Chromium');

let chromium: Browser;
let app: TestApp;
beforeAll(async () => {
  [chromium, app] = await Promise.all([launchChromium(), startTestApp({ kind: 'thirdParty' })]);
});
afterAll(async () => {
  await chromium.close();
  await app.close();
});

const press = (name: string | RegExp) => (page: Page) =>
  page.getByRole('button', { name }).first().click();
const open = (path: string) => (page: Page) => page.goto(`${app.url}${path}`);

/** The step from the previous screen to each screen, and its heading. */
const journey: [(page: Page) => Promise<unknown>, string | RegExp][] = [
  [open('/'), 'Help for the Harbor Forum community'],
  [open('/draft'), 'Your draft'],
  [open('/nowhere'), 'This page does not exist'],
  [open('/callback?code=x&state=y'), /^This browser has no sign-in open/],
  [open('/profile'), 'Sign in'],
  [press(/^Chiara/), 'Choose an organization'],
  [press('Blue Kiln Studio'), 'Ledgerly requests access'],
  [press('Allow'), 'Your profile'],
  [open('/'), 'Hello, Chiara Fontana'],
  [open('/organization'), 'Your organization'],
  [open('/sessions'), 'Your sessions'],
  [open('/moderation'), 'Moderation'],
  [open('/api-call'), 'A call to our own API'],
  [press('Sign out'), 'You are signed out'],
  [open('/login?prompt=login&return_to=/organization'), 'Sign in'],
  [press(/^Ada/), 'Ledgerly requests access'],
  [press('Deny'), /^The sign-in was canceled/],
  [open('/login?return_to=/organization'), 'Ledgerly requests access'],
  [press('Allow'), /^This page needs an organization/],
];

const LOOKS = [{}, { dark: true }, { narrow: true }, { dark: true, narrow: true }];

async function isDark(page: Page): Promise<boolean> {
  const background = 'getComputedStyle(document.body).backgroundColor';
  const [red = ''] = /\d+/.exec(await page.evaluate<string>(background)) ?? [];
  return Number(red) < 128;
}

describe('the journey', () => {
  // As long as many tests.
  const patient = { timeout: 300_000 };
  it(
    'shows every screen without a fault in accessibility, layout, colors or CSP',
    patient,
    async () => {
      const page = await newPage(chromium);
      const blocked: string[] = [];
      page.on('console', (message) => {
        if (message.text().includes('Content Security Policy')) blocked.push(message.text());
      });
      for (const [go, heading] of journey) {
        await go(page);
        const name = String(heading);
        await page.getByRole('heading', { level: 1, name: heading }).waitFor();
        for (const look of LOOKS) {
          await show(page, look);
          expect(await overflow(page), name).toBeLessThanOrEqual(0);
          expect(await isDark(page), name).toBe('dark' in look);
        }
        expect(await axeViolations(page), name).toEqual([]);
      }
      expect(blocked).toEqual([]);
      await page.context().close();
    },
  );
});
