// A simulated user for the tests of an app, over HTTP and without a browser: keeps the app's and
// AuthKit's cookies separate, signs in, and switches organizations. Not part of the server.

import { setTimeout as delay } from 'node:timers/promises';
import { LocalAuthKitError } from './errors.ts';
import { request, signInOverHttp, type CookieJar, type SignInChoices } from './test-kit.ts';

export interface Visitor {
  /** The app's cookies; tests may remove one or give them to another visitor. */
  cookies: CookieJar;
  /** Sends a request as a script of the app's pages would; follows no redirect. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /**
   * Signs in; call it again with another organization to switch. `path` starts the app's sign-in.
   * @returns the app's response at its redirect URI
   * Errors: LocalAuthKitError `test_kit` if the app starts no sign-in or a screen lacks a choice.
   */
  signIn(choices: Omit<SignInChoices, 'jar'> & { path?: string }): Promise<Response>;
}

/** Returns a visitor of the app at this origin, without a session there or at AuthKit. */
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
          `${path} responded with ${start.status} instead of a redirect`,
        );
      }
      const callback = await signInOverHttp(location, { ...choices, jar: atAuthKit });
      return request(callback, cookies);
    },
  };
}

/**
 * Resolves once the app redirects to AuthKit: after its start, it must discover the issuer first.
 * Errors: LocalAuthKitError `test_kit` after ten seconds.
 */
export async function untilReady(app: string | URL, path = '/login'): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const response = await request(new URL(path, app), new Map()).catch(() => undefined);
    if (response && response.status >= 300 && response.status < 400) return;
    await delay(50);
  }
  throw new LocalAuthKitError('test_kit', `${path} did not redirect to AuthKit within ten seconds`);
}
