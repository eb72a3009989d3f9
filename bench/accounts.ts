// Signs a user in at a server under test and keeps the cookies.
import { Browser, type Page } from '../test/support/browser/browser.ts';

const USER = 'Bruno';

export interface Account {
  cookie: string;
  page: Page;
}

/** Signs in through the local AuthKit, as a user would. @throws Error if that fails */
export async function signIn(
  url: string,
  start: (browser: Browser, url: string) => Promise<Page> = (browser) =>
    browser.open(`${url}/login?return_to=/profile`),
): Promise<Account> {
  const browser = new Browser();
  await start(browser, url);
  await browser.follow(await browser.press(USER));
  const page = await browser.open(`${url}/profile`);
  if (page.status !== 200 || page.url.pathname !== '/profile') {
    throw new Error(`${url}: ${page.status} at ${page.url.pathname} after signing in`);
  }
  const visit = { from: undefined, method: 'GET', isNavigation: true };
  return { cookie: browser.jar.header(page.url, visit), page };
}
