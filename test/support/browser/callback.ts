// A sign-in up to AuthKit's answer, for tests that tamper with it.
import type { TestApp } from '../app/app.ts';
import { Browser, type Page } from './browser.ts';
import { plainText } from './forms.ts';

/** Goes through AuthKit's screens; the URL of the answer at /callback, which is not visited. */
export async function answerOf(
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

/** The answer with these parameters instead; an empty list takes one away. */
export function withParameters(answer: URL, changed: Record<string, string | string[]>): URL {
  const url = new URL(answer);
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

/** Whose profile this browser is shown; undefined when it is asked to sign in. */
export async function whoIs(browser: Browser, app: TestApp): Promise<string | undefined> {
  const { body } = await browser.get(`${app.url}/profile`);
  return /Name (.+?) E-mail/.exec(plainText(body))?.[1];
}

/** Status, and the path of the redirect or the error code on the page. */
export type Outcome = [number, string];

/** What comes of visiting this address as typed. */
export async function outcome(browser: Browser, url: URL | string): Promise<Outcome> {
  const page = await browser.get(url);
  return [page.status, page.location?.pathname ?? codeOn(page) ?? ''];
}
