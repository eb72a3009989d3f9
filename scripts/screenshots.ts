// `npm run screenshots`: takes the README's pictures in Chromium, from the real app and the local
// AuthKit. Run it again after changing a view or the stylesheet.
import { mkdir } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { startTestApp } from '../test/support/app/app.ts';
import { launchChromium } from '../test/support/browser/chromium.ts';

const FOLDER = 'docs/images';
const SIZE = { width: 960, height: 720 };

async function take(browser: Browser, url: string, colorScheme: 'light' | 'dark'): Promise<void> {
  const context = await browser.newContext({ colorScheme, viewport: SIZE, deviceScaleFactor: 1.5 });
  const page = await context.newPage();
  const save = async (name: string) => {
    await page.screenshot({ path: `${FOLDER}/${name}-${colorScheme}.png` });
  };
  await page.goto(url);
  await page.getByRole('link', { name: 'Sign in' }).last().click();
  await page.getByRole('button', { name: /Chiara/ }).waitFor();
  await save('sign-in');
  await page.getByRole('button', { name: /Chiara/ }).click();
  await page.getByRole('button', { name: /Blue Kiln/ }).click();
  await page.goto(`${url}/profile`);
  await save('profile');
  await context.close();
}

await mkdir(FOLDER, { recursive: true });
const app = await startTestApp();
const browser = await launchChromium();
try {
  await take(browser, app.url, 'light');
  await take(browser, app.url, 'dark');
} finally {
  await browser.close();
  await app.close();
}
