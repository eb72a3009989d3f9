// The two ways to sign in from a terminal. There is no client secret, because anyone can extract it
// from a distributed program (RFC 8252 section 8.5); PKCE and the redirect URI protect the code.

import * as oauth from 'openid-client';
import { openBrowser } from './browser.ts';
import { listenForCallback } from './loopback.ts';
import { pollForTokens } from './poll.ts';

export type Tokens = oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers;
type Say = (line: string) => void;
/** Stores the tokens; the browser must not report a sign-in that was lost. */
type Keep = (tokens: Tokens) => Promise<void>;

/** `resource`, if set, must be sent on each refresh too, or AuthKit uses its default `aud`. */
export type Scope = { scope: string; resource?: string };

/** Authorization code flow in the system's browser, never in an embedded one (section 8.12). */
export async function signInWithBrowser(
  config: oauth.Configuration,
  scope: Scope,
  browser: string | undefined,
  say: Say,
  keep: Keep,
): Promise<void> {
  const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
  const expectedState = oauth.randomState();
  const expectedNonce = oauth.randomNonce();
  const loopback = await listenForCallback(expectedState);
  try {
    const url = oauth.buildAuthorizationUrl(config, {
      ...scope,
      redirect_uri: loopback.redirectUri,
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
    });
    say(`Sign in with your browser. If it does not open, visit:\n\n  ${url.href}\n`);
    const pendingCallback = loopback.callback();
    openBrowser(url, browser, say);
    const callback = await pendingCallback;
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
    try {
      await keep(await oauth.authorizationCodeGrant(config, callback, checks));
    } catch (error) {
      loopback.respond('Sign-in failed. Go back to the terminal.');
      throw error;
    }
    loopback.respond('You are signed in. You can close this page and go back to the terminal.');
  } finally {
    loopback.close();
  }
}

/** Device authorization, for machines without a browser (RFC 8628 sections 3.1 to 3.5). */
export async function signInWithDevice(
  config: oauth.Configuration,
  scope: Scope,
  say: Say,
  keep: Keep,
): Promise<void> {
  const device = await oauth.initiateDeviceAuthorization(config, scope);
  const minutes = Math.ceil(device.expires_in / 60);
  say(`On any device, open   ${device.verification_uri}`);
  say(`and enter the code    ${device.user_code}`);
  if (device.verification_uri_complete !== undefined) {
    say(`or open directly      ${device.verification_uri_complete}`);
  }
  say(`\nWaiting for you, at most ${minutes} minutes. Press Ctrl+C to cancel.`);
  await keep(await pollForTokens(config, device));
}
