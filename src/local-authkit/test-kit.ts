// Signs in over HTTP, for tests that need a signed-in person and no browser: follows the redirects
// from an authorization URL and presses the buttons of the screens. Not part of the server.

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
  for (let step = 0; step < 20 && url.origin === origin; step += 1) {
    const response = await request(url, jar, form);
    const location = response.headers.get('location');
    form = location === null ? press(await response.text(), choices) : undefined;
    url = new URL(location ?? url, url);
  }
  return url;
}

async function request(url: URL, jar: CookieJar, form?: URLSearchParams): Promise<Response> {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  // No connection is kept, so that none is dead after a restart of the local AuthKit.
  const headers = { cookie, connection: 'close' };
  const body = form ? { method: 'POST', body: form } : {};
  const response = await fetch(url, { headers, redirect: 'manual', ...body });
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '') jar.delete(name);
    else jar.set(name, value);
  }
  return response;
}

const BUTTON = /<button[^>]* name="(\w+)" value="([^"]*)"[^>]*>([^]*?)<\/button>/g;

function press(html: string, { person, organization, consent = 'allow' }: SignInChoices) {
  const wanted: Record<string, string> = {
    person,
    organization: organization ?? '',
    decision: consent,
  };
  for (const [, name = '', value = '', label = ''] of html.matchAll(BUTTON)) {
    const choice = wanted[name];
    if (choice !== undefined && (value === choice || label.includes(choice))) {
      return new URLSearchParams({ [name]: value });
    }
  }
  const title = /<h1>([^<]*)/.exec(html)?.[1] ?? 'another page';
  throw new LocalAuthKitError('test_kit', `No button for these choices on "${title}"`);
}
