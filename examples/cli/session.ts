// The stored sign-in: use it, refresh it before it expires, and end it.

import * as oauth from 'openid-client';
import { CliError } from './errors.ts';
import type { Settings } from './settings.ts';
import type { Tokens } from './sign-in.ts';
import type { StoredTokens, TokenFile } from './token-file.ts';

/** Discovery as a Public application: without a secret, the token endpoint requires PKCE. */
export function connect({ issuer, clientId }: Settings): Promise<oauth.Configuration> {
  // settings.ts allows http on loopback only.
  const execute = issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [];
  return oauth.discovery(issuer, clientId, undefined, oauth.None(), { execute, timeout: 10 });
}

/** Stores the tokens of a token response. */
export async function storeTokens(file: TokenFile, tokens: Tokens, name: string): Promise<void> {
  await file.locked(() => file.write(toStored(tokens, name)));
}

/** Returns the tokens, refreshed if they expire within 30 seconds or the API has refused them. */
export async function freshTokens(
  settings: Settings,
  file: TokenFile,
  refused?: string,
): Promise<StoredTokens> {
  const isUsable = ({ expiresAt, accessToken }: StoredTokens) =>
    expiresAt - 30_000 > Date.now() && accessToken !== refused;
  const stored = await file.read();
  if (stored === undefined) throw new CliError('not_signed_in', 'Not signed in: run login first.');
  if (isUsable(stored)) return stored;
  return file.locked(async () => {
    const current = await file.read(); // another run may have refreshed or signed out
    if (current !== undefined && isUsable(current)) return current;
    const renewed = current && (await refresh(settings, current));
    if (current === undefined || renewed === undefined) {
      if (current !== undefined) await file.remove();
      throw new CliError('not_signed_in', 'Your sign-in has ended: run login again.');
    }
    await file.write(renewed);
    return { ...current, ...renewed };
  });
}

/** Ends the sign-in here and, if supported, at AuthKit; returns a sentence for the user. */
export async function endSession(settings: Settings, file: TokenFile): Promise<string> {
  // Takes the lock, so that a concurrent refresh cannot write the tokens back.
  return file.locked(async () => {
    const tokens = await file.read();
    if (tokens === undefined) return 'You were not signed in.';
    await file.remove();
    return revoke(settings, tokens);
  });
}

/** RFC 7009. A copied access token still works until it expires, minutes later. */
async function revoke(settings: Settings, { refreshToken }: StoredTokens): Promise<string> {
  if (refreshToken === undefined) return 'Signed out.';
  try {
    const config = await connect(settings);
    if (config.serverMetadata().revocation_endpoint === undefined) {
      return 'Signed out here. AuthKit offers no revocation, so the refresh token works until it expires.';
    }
    await oauth.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
    return 'Signed out, and tokens revoked at AuthKit.';
  } catch (cause) {
    const message = 'Signed out here, but the tokens could not be revoked at AuthKit.';
    throw new CliError('failed', message, { cause });
  }
}

/** RFC 6749 section 6; returns undefined if the sign-in has ended and throws any other failure. */
async function refresh(settings: Settings, { refreshToken, name }: StoredTokens) {
  if (refreshToken === undefined) return undefined;
  const { resource } = settings;
  try {
    const config = await connect(settings);
    const parameters = resource === undefined ? {} : { resource };
    const renewed = toStored(await oauth.refreshTokenGrant(config, refreshToken, parameters), name);
    // If the token response has no refresh token, the current one stays valid.
    return { ...renewed, refreshToken: renewed.refreshToken ?? refreshToken };
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant')
      return undefined;
    throw error;
  }
}

function toStored(tokens: Tokens, name: string): Omit<StoredTokens, 'issuer' | 'clientId'> {
  const { access_token: accessToken, refresh_token: refreshToken } = tokens;
  const expiresAt = Date.now() + (tokens.expiresIn() ?? 300) * 1000;
  return { name, accessToken, expiresAt, refreshToken };
}
