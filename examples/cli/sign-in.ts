// The two ways to sign in from a terminal. No secret: whoever has this program has all that is in
// it (RFC 8252 section 8.5), so PKCE and the redirect URI protect the code instead.

import { spawn } from 'node:child_process';
import * as oauth from 'openid-client';
import { CliError } from './errors.ts';
import { listenForCallback } from './loopback.ts';

export type Tokens = oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers;
type Say = (line: string) => void;

/** `resource`, where there is one, is asked for here and on each refresh: else `aud` falls back. */
export type Scope = { scope: string; resource?: string };

/** Authorization code flow in the system's browser, never in a window of our own (section 8.12). */
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
    say(`Sign in with your browser. If none opens, visit:\n\n  ${url.href}\n`);
    const answered = loopback.callback();
    openBrowser(url, browser);
    const { url: callback, answer } = await answered;
    const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
    const tokens = await oauth
      .authorizationCodeGrant(config, callback, checks)
      .catch(async (error: unknown) => {
        await answer('The sign-in did not work. Go back to the terminal.');
        throw refusal(error);
      });
    await answer('You are signed in. You can close this page and go back to the terminal.');
    return tokens;
  } finally {
    loopback.close();
  }
}

/** Device authorization, for machines without a browser. RFC 8628 sections 3.1 to 3.5. */
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
    say(`or open at once       ${device.verification_uri_complete}`);
  }
  say(`\nWaiting for you, for ${minutes} minutes at most. Ctrl+C ends it.`);
  const signal = AbortSignal.timeout(device.expires_in * 1000);
  try {
    return await oauth.pollDeviceAuthorizationGrant(config, device, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? expired(error) : refusal(error);
  }
}

function refusal(error: unknown): unknown {
  const code = error instanceof Error && 'error' in error ? error.error : undefined;
  if (code === 'expired_token') return expired(error);
  if (code !== 'access_denied') return error;
  return new CliError('not_completed', 'You denied access; nobody is signed in.', { cause: error });
}

function expired(cause: unknown): CliError {
  return new CliError('not_completed', 'The code has expired. Start again.', { cause });
}

// Without a shell in between, in which the & of the address would be a command.
function openBrowser(url: URL, browser: string | undefined): void {
  const [command, ...args] = browser ? [browser] : (openers[process.platform] ?? ['xdg-open']);
  const child = spawn(command ?? '', [...args, url.href], { stdio: 'ignore', detached: true });
  child.once('error', () => {}); // the address is on the terminal
  child.unref();
}

const openers: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};
