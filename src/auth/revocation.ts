// Giving a refresh token back (RFC 7009), where AuthKit advertises it. Never in the way of anything:
// who signs out is signed out here, whatever AuthKit answers or does not.
import type { Request } from 'express';
import { tokenRevocation, type Configuration } from 'openid-client';
import type { SignInEventListener } from './events.ts';
import { toSignInError } from './failure.ts';
import type { RelyingParty } from './relying-party.ts';
import type { SealedSessionStore } from './session-store.ts';
import type { TokenSet } from './tokens.ts';

export type Revocation = 'requested' | 'not_advertised' | 'no_token';

/** Whether the metadata names a revocation endpoint (RFC 8414 §2). */
export function advertisesRevocation(config: Configuration): boolean {
  return config.serverMetadata().revocation_endpoint !== undefined;
}

/** What will be asked of AuthKit for this token set. */
export function revocationFor(config: Configuration, tokens: TokenSet | undefined): Revocation {
  if (tokens?.refreshToken === undefined) return 'no_token';
  return advertisesRevocation(config) ? 'requested' : 'not_advertised';
}

/** Revokes the refresh token, and with it its whole rotation chain. Never rejects. */
export async function revokeRefreshToken(
  config: Configuration,
  tokens: TokenSet | undefined,
  onEvent: SignInEventListener,
): Promise<void> {
  if (tokens?.refreshToken === undefined || !advertisesRevocation(config)) return;
  try {
    await tokenRevocation(config, tokens.refreshToken, { token_type_hint: 'refresh_token' });
  } catch (cause) {
    const error = toSignInError(cause);
    onEvent({ event: 'revocation_failed', code: error.code }, error);
  }
}

/**
 * For a sign-in over an existing session, such as a switch of organization: reads the tokens of the
 * session that is about to be replaced. The function it resolves to revokes them, in the background.
 */
export function createTakeOver(
  relyingParty: RelyingParty,
  store: SealedSessionStore,
  onEvent: SignInEventListener,
): (req: Request) => Promise<() => void> {
  return async (req) => {
    const { user, storedSession } = req;
    const previous = user && storedSession && (await store.readTokens(storedSession.sid));
    const config = relyingParty.known()?.afterwards;
    if (!previous || !config) return () => undefined;
    return () => void revokeRefreshToken(config, previous.tokens, onEvent);
  };
}
