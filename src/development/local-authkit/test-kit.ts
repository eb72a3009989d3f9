// Signs in for tests by pressing the buttons of the screens, over HTTP or in a browser driven by
// Playwright. To test an app, start with test-visitor.ts. Not part of the server.

import { LocalAuthKitError } from './errors.ts';

export interface SignInChoices {
  /** Name, e-mail address or sub. */
  person: string;
  /** Name or id; default: the first one on the screen. */
  organization?: string;
  /** Default: allow. */
  consent?: 'allow' | 'deny';
  /** Pass the same jar again to keep the session at the local AuthKit. */
  jar?: CookieJar;
}

/** Cookies, name to value; each is sent to every path. */
export type CookieJar = Map<string, string>;

/**
 * Goes through the screens of the local AuthKit.
 * @returns the URL of the client's callback, with `code` and `state` or `error`; it is not fetched.
 * Errors: LocalAuthKitError `test_kit` if a page has no button for the choices.
 */
export async function signInOverHttp(authorizationUrl: string | URL, choices: SignInChoices) {
  const jar: CookieJar = choices.jar ?? new Map<string, string>();
  const { origin } = new URL(authorizationUrl);
  let url = new URL(authorizationUrl);
  let form: URLSearchParams | undefined;
  for (let step = 0; step < MAX_STEPS && url.origin === origin; step += 1) {
    const response = await request(url, jar, form ? { method: 'POST', body: form } : {});
    const location = response.headers.get('location');
    form = undefined;
    if (location === null) {
      const { name, value } = choose(await response.text(), choices);
      form = new URLSearchParams({ [name]: value });
    }
    url = new URL(location ?? url, url);
  }
  return url;
}

/** Sends a request with the jar's cookies and stores those of the response; follows no redirect. */
export async function request(url: URL, jar: CookieJar, init: RequestInit = {}): Promise<Response> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = new Headers(init.headers);
  headers.set('cookie', cookie);
  // A kept connection would be dead after a restart of the local AuthKit.
  headers.set('connection', 'close');
  const response = await fetch(url, { ...init, headers, redirect: 'manual' });
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '') jar.delete(name);
    else jar.set(name, value);
  }
  return response;
}

/** The methods used here of a Playwright page, from any of its packages. */
export interface PlaywrightPage {
  url(): string;
  content(): Promise<string>;
  locator(selector: string): { click(): Promise<void> };
  waitForURL(isThere: (url: URL) => boolean): Promise<void>;
}

/**
 * Goes through the screens of the local AuthKit in a browser, from the current one until the
 * browser is back at the app. Ignores `jar`: the browser has its own cookies.
 * Errors: LocalAuthKitError `test_kit` if a page has no button for the choices.
 */
export async function signInWithPlaywright(page: PlaywrightPage, choices: SignInChoices) {
  const { origin } = new URL(page.url());
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const at = page.url();
    if (new URL(at).origin !== origin) return;
    const { name, value } = choose(await page.content(), choices);
    await page.locator(`button[name="${name}"][value="${value}"]`).click();
    await page.waitForURL(({ href }) => href !== at);
  }
}

const MAX_STEPS = 20;
const BUTTON = /<button[^>]* name="(\w+)" value="([^"]*)"[^>]*>([^]*?)<\/button>/g;

/** Finds the button of this screen that matches the choices. */
function choose(html: string, { person, organization, consent = 'allow' }: SignInChoices) {
  const wanted: Record<string, string> = {
    person,
    organization: organization ?? '',
    decision: consent,
  };
  for (const [, name = '', value = '', label = ''] of html.matchAll(BUTTON)) {
    const choice = wanted[name];
    if (choice !== undefined && (value === choice || label.includes(choice))) {
      return { name, value };
    }
  }
  const title = /<h1>([^<]*)/.exec(html)?.[1] ?? 'another page';
  throw new LocalAuthKitError('test_kit', `No button for these choices on "${title}"`);
}
