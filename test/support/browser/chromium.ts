// Real headless Chromium, for tests of cookies, navigation, layout and accessibility.
import axe, { type AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { partPath } from '../machine/parts.ts';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: partPath('Chromium'),
    // No background requests: the tests run without the internet.
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

/** A page with its own cookies; `narrow` is a small phone, `dark` the user's color scheme. */
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
 * The axe violations of the current page, each as `rule: elements`. The debugger injects axe, so
 * that the page's CSP stays in force.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  // Only the violations leave the page: the other results are many times their size.
  const violations = await page.evaluate<AxeResults['violations']>(
    `axe.run({ preload: false, resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  );
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`,
  );
}
