// The stored sign-in: use it, refresh it before it expires, and end it.

import * as oauth from 'openid-client';
import { CliError } from './errors.ts';
import type { Settings } from './settings.ts';
import type { Tokens } from './sign-in.ts';
import type { NewTokens, StoredTokens, TokenFile } from './token-file.ts';

/** Discovery as a Public application: without a secret, the token endpoint requires PKCE. */
export function connect({ issuer, clientId }: Settings): Promise<oauth.Configuration> {
  // settings.ts allows http on loopback only.
  const execute = issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [];
  return oauth.discovery(issuer, clientId, undefined, oauth.None(), { execute, timeout: 10 });
}

/** Stores the tokens of a token response; throws CliError `failed` if it cannot. */
export async function storeTokens(
  settings: Settings,
  file: TokenFile,
  tokens: Tokens,
  name: string,
): Promise<void> {
  const stored = toStored(tokens, name);
  await orGiveBack(settings, stored, () => file.locked(() => file.write(stored)));
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
    const ended = new CliError('not_signed_in', 'Your sign-in has ended: run login again.');
    const current = await file.read(); // another run may have refreshed or signed out
    if (current === undefined) throw ended;
    if (isUsable(current)) return current;
    await file.checkWritable(); // the current refresh token may be lost with the new one
    const renewed = await refresh(settings, current);
    if (renewed === undefined) {
      await file.remove();
      throw ended;
    }
    await orGiveBack(settings, renewed, () => file.write(renewed));
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
    if (tokens.refreshToken === undefined) return 'Signed out.';
    const isRevoked = await revoke(settings, tokens).catch((cause: unknown) => {
      const message = 'Signed out here, but the tokens could not be revoked at AuthKit.';
      throw new CliError('failed', message, { cause });
    });
    return isRevoked
      ? 'Signed out, and tokens revoked at AuthKit.'
      : 'Signed out here. AuthKit offers no revocation, so the refresh token works until it expires.';
  });
}

/** Runs `store`; if that fails, revokes the tokens, which nobody could use or revoke later. */
async function orGiveBack(
  settings: Settings,
  tokens: NewTokens,
  store: () => Promise<void>,
): Promise<void> {
  try {
    await store();
  } catch (cause) {
    const isRevoked = await revoke(settings, tokens).catch(() => false);
    const reason = cause instanceof CliError ? `${cause.message} ` : '';
    const ending = isRevoked ? 'they were revoked' : 'the refresh token works until it expires';
    throw new CliError('failed', `${reason}The new tokens are lost; at AuthKit, ${ending}.`, {
      cause,
    });
  }
}

/**
 * RFC 7009; returns whether AuthKit offers it. A copied access token still works until it expires,
 * minutes later.
 */
async function revoke(settings: Settings, { refreshToken }: NewTokens): Promise<boolean> {
  const config = await connect(settings);
  if (config.serverMetadata().revocation_endpoint === undefined) return false;
  if (refreshToken !== undefined) {
    await oauth.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
  }
  return true;
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

function toStored(tokens: Tokens, name: string): NewTokens {
  const { access_token: accessToken, refresh_token: refreshToken } = tokens;
  const expiresAt = Date.now() + (tokens.expiresIn() ?? 300) * 1000;
  return { name, accessToken, expiresAt, refreshToken };
}
