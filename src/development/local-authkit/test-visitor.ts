// Somebody who uses an app in its tests, over HTTP and without a browser: keeps the app's cookies and
// AuthKit's apart, signs in, comes back for another organization. Not part of the server.

import { setTimeout as delay } from 'node:timers/promises';
import { LocalAuthKitError } from './errors.ts';
import { request, signInOverHttp, type CookieJar, type SignInChoices } from './test-kit.ts';

export interface Visitor {
  /** The app's cookies, to take one away or to hand them to somebody else. */
  cookies: CookieJar;
  /** Asks the app as a script of its pages does; redirects are not followed. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /**
   * Signs in; again, with another organization, to switch. `path` is where the app starts it.
   * @returns the app's response at its redirect URI
   * Errors: LocalAuthKitError `test_kit` where the app starts none, or a screen lacks the choices.
   */
  signIn(choices: Omit<SignInChoices, 'jar'> & { path?: string }): Promise<Response>;
}

/** A visitor of the app at this origin, signed out and with no session at AuthKit. */
export function newVisitor(app: string | URL): Visitor {
  const { origin } = new URL(app);
  const cookies: CookieJar = new Map<string, string>();
  const atAuthKit: CookieJar = new Map<string, string>();
  return {
    cookies,
    fetch(path, init = {}) {
      const headers = new Headers({ origin });
      for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
      return request(new URL(path, origin), cookies, { ...init, headers });
    },
    async signIn({ path = '/login', ...choices }) {
      const start = await request(new URL(path, origin), cookies);
      const location = start.headers.get('location');
      if (location === null) {
        throw new LocalAuthKitError(
          'test_kit',
          `${path} responds with ${start.status}, no redirect`,
        );
      }
      const callback = await signInOverHttp(location, { ...choices, jar: atAuthKit });
      return request(callback, cookies);
    },
  };
}

/**
 * Resolves once the app sends people to AuthKit: after its start it looks for the issuer first.
 * Errors: LocalAuthKitError `test_kit` after ten seconds.
 */
export async function untilReady(app: string | URL, path = '/login'): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const response = await request(new URL(path, app), new Map()).catch(() => undefined);
    if (response && response.status >= 300 && response.status < 400) return;
    await delay(50);
  }
  throw new LocalAuthKitError('test_kit', `${path} sends nobody to AuthKit within ten seconds`);
}
