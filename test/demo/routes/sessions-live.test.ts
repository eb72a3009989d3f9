// The sessions page in a real Chromium: it shows at once that its browser was signed out elsewhere.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { axeViolations, launchChromium, newPage } from '../../support/browser/chromium.ts';
import { withParts } from '../../support/machine/with-parts.ts';

const { describe, it } = withParts('Chromium');

let app: TestApp;
let chromium: Browser;
beforeAll(async () => {
  [app, chromium] = await Promise.all([startTestApp(), launchChromium()]);
});
afterAll(async () => {
  await chromium.close();
  await app.close();
});

/** Opens the sessions page, signed in as Ada in a browser of its own. */
async function openSessions(page: Page): Promise<Page> {
  await page.goto(`${app.url}/sessions`);
  await page.getByRole('button', { name: /^Ada/ }).click();
  await page.getByRole('heading', { name: 'Your sessions' }).waitFor();
  return page;
}

const endAll = (page: Page) => page.getByRole('button', { name: 'Sign out everywhere' }).click();

describe('the sessions page', () => {
  it('says that this browser was signed out, when another one signs out everywhere', async () => {
    const page = await newPage(chromium);
    const messages: string[] = [];
    page.on('console', (message) => messages.push(message.text()));
    const streaming = page.waitForResponse(`${app.url}/sessions/live`);
    await openSessions(page);
    expect((await streaming).status()).toBe(200);
    expect(await page.getByRole('status').innerText()).toBe('');
    await endAll(await openSessions(await newPage(chromium)));
    const again = page.getByRole('status').getByRole('link', { name: 'Sign in again' });
    await again.waitFor();
    expect(await page.getByRole('status').innerText()).toContain('was just signed out');
    expect(await axeViolations(page)).toEqual([]);
    // Neither the policy nor anything else has stopped the script.
    expect(messages).toEqual([]);
    await again.click();
    await page.getByRole('heading', { name: 'Your sessions' }).waitFor();
  });

  it('says so also when it comes back to the foreground after that', async () => {
    const page = await openSessions(await newPage(chromium));
    const show = (hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await show(true);
    await endAll(await openSessions(await newPage(chromium)));
    expect(await page.getByRole('status').innerText()).toBe('');
    await show(false);
    await page.getByRole('link', { name: 'Sign in again' }).waitFor();
  });

  it('works without JavaScript', async () => {
    const context = await chromium.newContext({ javaScriptEnabled: false });
    const page = await openSessions(await context.newPage());
    await endAll(page);
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  });
});
