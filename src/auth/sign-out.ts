// POST /logout: the session ends here first; then, as far as AuthKit offers it, there too.
import { Router } from 'express';
import { buildEndSessionUrl } from 'openid-client';
import type { RelyingParty } from './client.ts';
import type { SignInEventListener } from './events.ts';
import { revocationFor, revokeRefreshToken } from './revocation.ts';
import { rejectForeignOrigin } from './same-origin.ts';
import { endSession } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore } from './session-store.ts';
import type { TokenSet } from './tokens.ts';

export interface SignOutOptions {
  baseUrl: URL;
  session: SessionSettings;
}

export function createSignOutRoute(
  { baseUrl, session }: SignOutOptions,
  relyingParty: RelyingParty,
  store: SealedSessionStore,
  onEvent: SignInEventListener,
): Router {
  const router = Router();
  const signedOut = new URL('/signed-out', baseUrl);

  // GET never signs out: a prefetched link or an image would do it.
  router.post('/logout', rejectForeignOrigin(baseUrl), async (req, res) => {
    res.set('Cache-Control', 'no-store');
    if (req.sessionUnavailable) throw req.sessionUnavailable;
    const sub = req.user?.sub;
    const tokens = sub !== undefined ? (await store.readTokens(req.session.id))?.tokens : undefined;
    if (store.isStored(req.session)) await endSession(req, res, session);
    const target = sub !== undefined ? await tellAuthKit(sub, tokens) : undefined;
    res.redirect(303, target?.href ?? signedOut.pathname);
  });

  /** Gives the refresh token back without waiting for it; the end-session URL where there is one. */
  async function tellAuthKit(sub: string, tokens: TokenSet | undefined): Promise<URL | undefined> {
    const discovered = await relyingParty.config().catch(() => undefined);
    if (!discovered) {
      onEvent({ event: 'signed_out', sub, revocation: 'not_advertised' });
      return undefined;
    }
    const { afterwards: config } = discovered;
    onEvent({ event: 'signed_out', sub, revocation: revocationFor(config, tokens) });
    void revokeRefreshToken(config, tokens, onEvent);
    if (!config.serverMetadata().end_session_endpoint) return undefined;
    // OpenID Connect RP-Initiated Logout 1.0 §2. The hint is the only token that ever leaves in a URL.
    return buildEndSessionUrl(config, {
      post_logout_redirect_uri: signedOut.href,
      ...(tokens?.idToken !== undefined && { id_token_hint: tokens.idToken }),
    });
  }
  return router;
}
