// A sign-in up to the authorization response, for tests that tamper with it.
import type { TestApp } from '../app/app.ts';
import { Browser, type Page } from './browser.ts';
import { plainText } from './forms.ts';

/** Goes through AuthKit's screens; returns the callback URL, which is not requested yet. */
export async function authorizationResponseFor(
  app: TestApp,
  browser: Browser,
  { person = 'Bruno', returnTo = '/profile' } = {},
): Promise<URL> {
  const login = `${app.url}/login?return_to=${encodeURIComponent(returnTo)}`;
  let page = await browser.get(login);
  while (page.location?.pathname !== '/callback') {
    page = page.location ? await browser.get(page.location) : await browser.press(person);
  }
  return page.location;
}

/** The authorization response with changed parameters; an empty list removes one. */
export function withParameters(response: URL, changed: Record<string, string | string[]>): URL {
  const url = new URL(response);
  for (const [name, values] of Object.entries(changed)) {
    url.searchParams.delete(name);
    for (const value of [values].flat()) url.searchParams.append(name, value);
  }
  return url;
}

/** The error code that a page shows. */
export function codeOn({ body }: Page): string | undefined {
  return /Code (\w+) Reference/.exec(plainText(body))?.[1];
}

/** The name on the profile page; undefined when the browser is not signed in. */
export async function whoIs(browser: Browser, app: TestApp): Promise<string | undefined> {
  const { body } = await browser.get(`${app.url}/profile`);
  return /Name (.+?) E-mail/.exec(plainText(body))?.[1];
}

/** The status, and the path of the redirect or the error code on the page. */
export type Outcome = [number, string];

/** The outcome of a request to this URL, as typed by the user. */
export async function outcome(browser: Browser, url: URL | string): Promise<Outcome> {
  const page = await browser.get(url);
  return [page.status, page.location?.pathname ?? codeOn(page) ?? ''];
}
