// The two ways to sign in from a terminal. There is no client secret, because anyone can extract it
// from a distributed program (RFC 8252 section 8.5); PKCE and the redirect URI protect the code.

import { spawn } from 'node:child_process';
import * as oauth from 'openid-client';
import { CliError } from './errors.ts';
import { listenForCallback } from './loopback.ts';

export type Tokens = oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers;
type Say = (line: string) => void;

/** `resource`, if set, must be sent on each refresh too, or AuthKit uses its default `aud`. */
export type Scope = { scope: string; resource?: string };

/** Authorization code flow in the system's browser, never in an embedded one (section 8.12). */
export async function signInWithBrowser(
  config: oauth.Configuration,
  scope: Scope,
  browser: string | undefined,
  say: Say,
): Promise<Tokens> {
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
    openBrowser(url, browser);
    const { url: callback, respond } = await pendingCallback;
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
    const tokens = await oauth
      .authorizationCodeGrant(config, callback, checks)
      .catch(async (error: unknown) => {
        await respond('Sign-in failed. Go back to the terminal.');
        throw toCliError(error);
      });
    await respond('You are signed in. You can close this page and go back to the terminal.');
    return tokens;
  } finally {
    loopback.close();
  }
}

/** Device authorization, for machines without a browser (RFC 8628 sections 3.1 to 3.5). */
export async function signInWithDevice(
  config: oauth.Configuration,
  scope: Scope,
  say: Say,
): Promise<Tokens> {
  const device = await oauth.initiateDeviceAuthorization(config, scope);
  const minutes = Math.ceil(device.expires_in / 60);
  say(`On any device, open   ${device.verification_uri}`);
  say(`and enter the code    ${device.user_code}`);
  if (device.verification_uri_complete !== undefined) {
    say(`or open directly      ${device.verification_uri_complete}`);
  }
  say(`\nWaiting for you, at most ${minutes} minutes. Press Ctrl+C to cancel.`);
  const signal = AbortSignal.timeout(device.expires_in * 1000);
  try {
    return await oauth.pollDeviceAuthorizationGrant(config, device, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? expired(error) : toCliError(error);
  }
}

function toCliError(error: unknown): unknown {
  const code = error instanceof Error && 'error' in error ? error.error : undefined;
  if (code === 'expired_token') return expired(error);
  if (code !== 'access_denied') return error;
  return new CliError('not_completed', 'You denied access; you are not signed in.', {
    cause: error,
  });
}

function expired(cause: unknown): CliError {
  return new CliError('not_completed', 'The code has expired. Start again.', { cause });
}

// Not through a shell: an & in the URL would start a command.
function openBrowser(url: URL, browser: string | undefined): void {
  const [command, ...args] = browser ? [browser] : (openers[process.platform] ?? ['xdg-open']);
  const child = spawn(command ?? '', [...args, url.href], { stdio: 'ignore', detached: true });
  child.once('error', () => {}); // the terminal shows the URL
  child.unref();
}

const openers: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};
