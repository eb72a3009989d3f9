// The journey from the home page to sign-out, by clicks in real browsers beside Chromium.
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import {
  button,
  link,
  untilHeading,
  type DrivenBrowser,
} from '../support/browser/driven-browser.ts';
import { launchFirefox } from '../support/browser/firefox.ts';
import { launchWebKit } from '../support/browser/webkit.ts';
import type { Part } from '../support/machine/parts.ts';
import { withParts } from '../support/machine/with-parts.ts';

const browsers: [name: Part, launch: () => Promise<DrivenBrowser>, parts: Part[]][] = [
  ['Firefox', launchFirefox, ['Firefox']],
  ['WebKit', launchWebKit, ['WebKit', 'Xvfb']],
];
const RENEWAL = "//dt[. = 'Your access token is renewed']/../dd/time/@datetime";

for (const [name, launch, parts] of browsers) {
  const { describe, it } = withParts(...parts);

  describe(`a user of ${name}`, () => {
    let app: TestApp;
    let browser: DrivenBrowser;
    beforeAll(async () => {
      [app, browser] = await Promise.all([
        startTestApp({ authKit: { endSession: true } }),
        launch(),
      ]);
    });
    afterAll(async () => {
      await browser.close();
      await app.close();
    });
    afterEach(() => vi.useRealTimers());

    const open = async (path: string, heading: string) => {
      await browser.open(`${app.url}${path}`);
      await untilHeading(browser, heading);
    };
    const signIn = async () => {
      await open('/', 'Help for the Harbor Forum community');
      await browser.click(link('Sign in'));
      await untilHeading(browser, 'Sign in');
      await browser.click(button('Bruno Okafor'));
      await untilHeading(browser, 'Hello, Bruno Okafor');
    };
    /** When the access token will be renewed, as the profile shows it. */
    const renewal = () =>
      browser.evaluate(
        `document.evaluate("${RENEWAL}", document, null, XPathResult.STRING_TYPE).stringValue`,
      );

    it('signs in, has the access token renewed without signing in again, and signs out', async () => {
      await signIn();
      await open('/profile', 'Your profile');
      expect(await browser.evaluate('document.querySelector("main").innerText')).toContain(
        'bruno.okafor@example.com',
      );
      const before = await renewal();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 301_000 });
      await open('/api-call', 'A call to our own API');
      await open('/profile', 'Your profile');
      expect(Date.parse(await renewal()) - Date.parse(before)).toBeGreaterThan(300_000);
      expect(browser.errors ?? []).toEqual([]);
      await browser.click(button('Sign out'));
      await untilHeading(browser, 'You are signed out');
      await open('/profile', 'Sign in');
    });

    it('gets cookies that neither scripts nor other sites can use', async () => {
      await signIn();
      const cookies = await browser.cookies();
      const session = cookies.find(({ name: cookie }) => cookie.startsWith('session-'));
      expect(session).toMatchObject({ httpOnly: true, sameSite: expect.stringMatching(/^lax$/i) });
      expect(await browser.evaluate('document.cookie')).toBe('');
    });
  });
}
