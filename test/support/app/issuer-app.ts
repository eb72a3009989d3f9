// The app with an issuer whose responses a test varies, and a clock that the test moves.
import { expect, vi } from 'vitest';
import { startTestApp, type LogLine, type TestApp } from './app.ts';
import { Browser } from '../browser/browser.ts';
import { audience } from '../authkit/issuer.ts';
import { passMonotonic } from '../clock/monotonic.ts';
import { startSignInIssuer, type SignInIssuer } from '../authkit/sign-in-issuer.ts';

export interface IssuerApp {
  issuer: SignInIssuer;
  app: TestApp;
  /** Signs a new browser in, and resets the recorded requests. */
  signedIn(): Promise<Browser>;
  /** The refresh requests at the token endpoint since then. */
  refreshes(): URLSearchParams[];
  events(name: string): LogLine[];
  /** Resets variations, log and pauses before each test. */
  reset(): void;
  stop(): Promise<void>;
}

/** `Date` must be faked once per test file (`vi.useFakeTimers`), so that it never goes back. */
export async function startIssuerApp(env: Record<string, string> = {}): Promise<IssuerApp> {
  const issuer = await startSignInIssuer();
  const app = await startTestApp({ env: { ...issuer.env, API_AUDIENCE: audience, ...env } });
  return {
    issuer,
    app,
    async signedIn() {
      const browser = new Browser();
      expect((await browser.open(`${app.url}/profile`)).status).toBe(200);
      issuer.exchanges.splice(0);
      issuer.hits.clear();
      return browser;
    },
    refreshes: () => issuer.exchanges.filter((form) => form.get('grant_type') === 'refresh_token'),
    events: (name) => app.log.filter(({ event }) => event === name),
    reset() {
      pass(60);
      issuer.vary = {};
      app.log.splice(0);
    },
    async stop() {
      await app.close();
      await issuer.close();
    },
  };
}

/** Advances the wall clock and the monotonic clock. */
export function pass(seconds: number): void {
  passMonotonic(seconds * 1_000);
  vi.setSystemTime(Date.now() + seconds * 1_000);
}
