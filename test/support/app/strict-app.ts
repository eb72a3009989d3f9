// The app with a strict provider that is not AuthKit, and everything that the app asks of it.
import { expect, vi } from 'vitest';
import {
  API,
  startStrictProvider,
  type StrictOptions,
  type StrictProvider,
} from '../authkit/strict-provider.ts';
import { Browser } from '../browser/browser.ts';
import { freePort, startTestApp, untilReady, type TestApp } from './app.ts';
import { pass } from './issuer-app.ts';

export interface StrictApp {
  app: TestApp;
  provider: StrictProvider;
  close(): Promise<void>;
}

/** Starts both; the client is registered for the app's redirect URI. */
export async function startStrictApp(
  { client, ...options }: StrictOptions,
  env: Record<string, string> = {},
): Promise<StrictApp> {
  // The doctor compares it with the provider's Date header, which fake timers leave alone.
  vi.setSystemTime(vi.getRealSystemTime());
  const port = await freePort();
  const redirect_uris = [`http://localhost:${port}/callback`];
  const provider = await startStrictProvider({ ...options, client: { redirect_uris, ...client } });
  const app = await startTestApp({
    port,
    env: {
      AUTHKIT_ISSUER: provider.issuer,
      OAUTH_APP_CLIENT_ID: client.client_id,
      OAUTH_APP_CLIENT_SECRET: client.client_secret ?? '',
      API_AUDIENCE: API,
      ...env,
    },
  });
  return {
    app,
    provider,
    async close() {
      await app.close();
      await provider.close();
    },
  };
}

/** Signs in, and uses the session and the API until the access token is refreshed; signs out. */
export async function useEverything({ app, provider }: StrictApp): Promise<void> {
  await untilReady(app);
  const browser = new Browser();
  expect((await browser.open(`${app.url}/profile`)).body).toContain('nora@example.com');
  pass(270);
  expect((await browser.open(`${app.url}/api-call`)).body).toContain('user_01');
  expect(provider.grants).toEqual(['authorization_code', 'refresh_token']);
  const headers = { authorization: `Bearer ${provider.accessTokens.at(-1)}` };
  expect((await fetch(`${app.url}/api/me`, { headers })).status).toBe(200);
  await browser.open(`${app.url}/`);
  await browser.press('Sign out');
  await vi.waitUntil(() => [...provider.accepted].some((each) => each.startsWith('revocation')));
}
