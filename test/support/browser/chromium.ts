// Real headless Chromium for what only a browser can show: cookies, navigation, layout, axe.
import axe, { type AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { partPath } from '../machine/parts.ts';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: partPath('Chromium'),
    // No request of its own to anybody: the tests run without the internet.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page with cookies of its own; `narrow` is a small phone, `dark` the visitor's preference. */
export async function newPage(
  browser: Browser,
  options: { dark?: boolean; narrow?: boolean } = {},
): Promise<Page> {
  const context = await browser.newContext({
    colorScheme: options.dark ? 'dark' : 'light',
    viewport: options.narrow ? { width: 320, height: 640 } : { width: 1280, height: 800 },
  });
  context.setDefaultTimeout(10_000);
  return context.newPage();
}

/**
 * What axe finds on the page as it is shown now, each as `rule: the elements`.
 * The script goes in through the debugger, so the page's own CSP stays as it is.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>('axe.run(document, { preload: false })');
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`,
  );
}
