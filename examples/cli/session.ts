// The sign-in that is kept: used, refreshed before it expires, and ended.

import * as oauth from 'openid-client';
import { CliError } from './errors.ts';
import type { Settings } from './settings.ts';
import type { Tokens } from './sign-in.ts';
import type { StoredTokens, TokenFile } from './token-file.ts';

/** Discovery as a Public application: no secret, so the token endpoint asks for PKCE instead. */
export function connect({ issuer, clientId }: Settings): Promise<oauth.Configuration> {
  // settings.ts lets http through on loopback only.
  const execute = issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [];
  return oauth.discovery(issuer, clientId, undefined, oauth.None(), { execute, timeout: 10 });
}

/** Keeps what the token endpoint answered. */
export async function keep(file: TokenFile, tokens: Tokens, name: string): Promise<void> {
  await file.locked(() => file.write(toStored(tokens, name)));
}

/** The tokens, refreshed when they expire within half a minute or when `refused` was no good. */
export async function freshTokens(
  settings: Settings,
  file: TokenFile,
  refused?: string,
): Promise<StoredTokens> {
  const isGood = ({ expiresAt, accessToken }: StoredTokens) =>
    expiresAt - 30_000 > Date.now() && accessToken !== refused;
  const held = await file.read();
  if (held === undefined) throw new CliError('not_signed_in', 'Not signed in: run login first.');
  if (isGood(held)) return held;
  return file.locked(async () => {
    const current = await file.read(); // another run may have refreshed, or signed out
    if (current !== undefined && isGood(current)) return current;
    const renewed = current && (await refresh(settings, current));
    if (current === undefined || renewed === undefined) {
      if (current !== undefined) await file.remove();
      throw new CliError('not_signed_in', 'Your sign-in has ended: run login again.');
    }
    await file.write(renewed);
    return { ...current, ...renewed };
  });
}

/** Ends the sign-in here and, where AuthKit offers it, there; returns a sentence on how it went. */
export async function endSession(settings: Settings, file: TokenFile): Promise<string> {
  // Under the lock, so that a refresh under way cannot write the tokens back.
  return file.locked(async () => {
    const tokens = await file.read();
    if (tokens === undefined) return 'Nobody was signed in.';
    await file.remove();
    return revoke(settings, tokens);
  });
}

/** RFC 7009. A copy of the access token works on until it expires, minutes later. */
async function revoke(settings: Settings, { refreshToken }: StoredTokens): Promise<string> {
  if (refreshToken === undefined) return 'Signed out.';
  try {
    const config = await connect(settings);
    if (config.serverMetadata().revocation_endpoint === undefined) {
      return 'Signed out here. AuthKit offers no revocation, so the sign-in runs out there by itself.';
    }
    await oauth.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
    return 'Signed out, and revoked at AuthKit.';
  } catch (cause) {
    const message = 'Signed out here, but AuthKit could not be asked to revoke the sign-in.';
    throw new CliError('failed', message, { cause });
  }
}

/** RFC 6749 section 6; undefined when the sign-in is over. A failure that may pass is thrown. */
async function refresh(settings: Settings, { refreshToken, name }: StoredTokens) {
  if (refreshToken === undefined) return undefined;
  const { resource } = settings;
  try {
    const config = await connect(settings);
    const parameters = resource === undefined ? {} : { resource };
    const renewed = toStored(await oauth.refreshTokenGrant(config, refreshToken, parameters), name);
    // An answer without a refresh token means: keep the one you have.
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
