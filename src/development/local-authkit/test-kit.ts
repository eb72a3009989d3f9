// Signs in for tests: presses the buttons of the screens, over HTTP or in a browser that Playwright
// drives. For tests of an app, test-visitor.ts comes first. Not part of the server.

import { LocalAuthKitError } from './errors.ts';

export interface SignInChoices {
  /** Name, e-mail address or sub. */
  person: string;
  /** Name or id; default: the first on the screen. */
  organization?: string;
  /** Default: allow. */
  consent?: 'allow' | 'deny';
  /** Give the same one again to keep the local AuthKit's session. */
  jar?: CookieJar;
}

/** The local AuthKit's cookies: name to value, each sent to every path. */
export type CookieJar = Map<string, string>;

/**
 * Walks the screens of the local AuthKit.
 * @returns the URL at the client's callback, with `code` and `state` or `error`; not fetched.
 * Errors: LocalAuthKitError `test_kit` where a page shows no button for the choices.
 */
export async function signInOverHttp(authorizationUrl: string | URL, choices: SignInChoices) {
  const jar: CookieJar = choices.jar ?? new Map<string, string>();
  const { origin } = new URL(authorizationUrl);
  let url = new URL(authorizationUrl);
  let form: URLSearchParams | undefined;
  for (let step = 0; step < MOST_STEPS && url.origin === origin; step += 1) {
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

/** One request with the cookies of this jar, which keeps those of the response; follows no redirect. */
export async function request(url: URL, jar: CookieJar, init: RequestInit = {}): Promise<Response> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = new Headers(init.headers);
  headers.set('cookie', cookie);
  // No connection is kept, so that none is dead after a restart of the local AuthKit.
  headers.set('connection', 'close');
  const response = await fetch(url, { ...init, headers, redirect: 'manual' });
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '') jar.delete(name);
    else jar.set(name, value);
  }
  return response;
}

/** A page of Playwright, of whichever of its packages: what is used of it here. */
export interface PlaywrightPage {
  url(): string;
  content(): Promise<string>;
  locator(selector: string): { click(): Promise<void> };
  waitForURL(isThere: (url: URL) => boolean): Promise<void>;
}

/**
 * Walks the screens of the local AuthKit in a browser, from the one that the page shows to the app.
 * The jar of the choices is not used: the browser has its own.
 * Errors: LocalAuthKitError `test_kit` where a page shows no button for the choices.
 */
export async function signInWithPlaywright(page: PlaywrightPage, choices: SignInChoices) {
  const { origin } = new URL(page.url());
  for (let step = 0; step < MOST_STEPS; step += 1) {
    const at = page.url();
    if (new URL(at).origin !== origin) return;
    const { name, value } = choose(await page.content(), choices);
    await page.locator(`button[name="${name}"][value="${value}"]`).click();
    await page.waitForURL(({ href }) => href !== at);
  }
}

const MOST_STEPS = 20;
const BUTTON = /<button[^>]* name="(\w+)" value="([^"]*)"[^>]*>([^]*?)<\/button>/g;

/** The button of this screen that the choices press. */
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
