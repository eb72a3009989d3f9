// A person who is signed in at a server under measurement, with the cookies to prove it.
import { Browser, type Page } from '../test/support/browser/browser.ts';

const PERSON = 'Bruno';

export interface Account {
  cookie: string;
  page: Page;
}

/** Signs in through the local AuthKit, as a user would. @throws Error where that fails */
export async function signIn(
  url: string,
  start: (browser: Browser, url: string) => Promise<Page> = (browser) =>
    browser.open(`${url}/login?return_to=/profile`),
): Promise<Account> {
  const browser = new Browser();
  await start(browser, url);
  await browser.follow(await browser.press(PERSON));
  const page = await browser.open(`${url}/profile`);
  if (page.status !== 200 || page.url.pathname !== '/profile') {
    throw new Error(`${url}: ${page.status} at ${page.url.pathname} after signing in`);
  }
  const visit = { from: undefined, method: 'GET', isNavigation: true };
  return { cookie: browser.jar.header(page.url, visit), page };
}
