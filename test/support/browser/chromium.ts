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

/** `narrow` is a small phone, `dark` the user's color scheme. */
export interface Look {
  dark?: boolean;
  narrow?: boolean;
}

const schemeOf = ({ dark = false }: Look) => (dark ? 'dark' : 'light');
const viewportOf = ({ narrow = false }: Look) =>
  narrow ? { width: 320, height: 640 } : { width: 1280, height: 800 };

/** A page with its own cookies. */
export async function newPage(browser: Browser, look: Look = {}): Promise<Page> {
  const context = await browser.newContext({
    colorScheme: schemeOf(look),
    viewport: viewportOf(look),
  });
  // The limit of the test ends what hangs; on a busy machine a click alone may take ten seconds.
  context.setDefaultTimeout(0);
  return context.newPage();
}

/** Shows the current page in another window, without loading it again. */
export async function show(page: Page, look: Look): Promise<void> {
  await page.setViewportSize(viewportOf(look));
  await page.emulateMedia({ colorScheme: schemeOf(look) });
}

/** By how many pixels the current page is wider than its window. */
export const overflow = (page: Page) =>
  page.evaluate<number>(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );

/**
 * The axe violations of the current page, each as `rule: elements`. The debugger injects axe, so
 * that the page's CSP stays in force.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(axe.source);
  // Only the violations leave the page: the other results are many times their size.
  const violations = await page.evaluate<AxeResults['violations']>(
    `axe.run({ preload: false, resultTypes: ['violations'] }).then(({ violations }) => violations)`,
  );
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`,
  );
}
