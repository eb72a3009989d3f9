// Signing out: the session ends here first; then, as far as AuthKit offers it, there too.
import type { Request, RequestHandler, Response } from 'express';
import { buildEndSessionUrl } from 'openid-client';
import type { SignInEventListener } from './events.ts';
import { storeFailure } from './failure.ts';
import type { SessionRecords } from './records.ts';
import type { RelyingParty } from './relying-party.ts';
import { revocationFor, revokeRefreshToken } from './revocation.ts';
import { endSession } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore } from './session-store.ts';
import type { TokenSet } from './tokens.ts';
import { userKey, type User } from './user.ts';

interface Parts {
  relyingParty: RelyingParty;
  store: SealedSessionStore;
  records: SessionRecords;
  session: SessionSettings;
  baseUrl: URL;
  onEvent: SignInEventListener;
}

export interface SignOut {
  /** Ends this browser's session and answers with the redirect that follows a sign-out. */
  signOut: RequestHandler;
  /** As `signOut`, and ends every other session of the person, at once on every instance. */
  signOutEverywhere: RequestHandler;
}

/**
 * Both answer 303, to AuthKit's end-session endpoint where it advertises one, else to /signed-out.
 * @throws SignInError `store_unavailable`: nobody is told to be signed out who is not
 */
export function createSignOut(parts: Parts): SignOut {
  const { relyingParty, store, records, session, baseUrl, onEvent } = parts;
  const signedOut = new URL('/signed-out', baseUrl);

  async function end(req: Request, res: Response, everywhere: boolean): Promise<void> {
    res.set('Cache-Control', 'no-store');
    if (req.sessionUnavailable) throw req.sessionUnavailable;
    const { user, storedSession } = req;
    const held = user && storedSession && (await store.readTokens(storedSession.sid));
    if (storedSession) await endSession(req, res, session);
    if (everywhere && user) {
      await records.removeAll(userKey(user.issuer, user.sub)).catch(storeFailure);
    }
    const target = user && tellAuthKit(user, held?.tokens);
    // 303: what follows a POST is a GET (RFC 9700 §4.12).
    res.redirect(303, target?.href ?? signedOut.pathname);
  }

  /** The end-session URL where there is one. Waits for nothing: AuthKit may be away or hang. */
  function tellAuthKit({ sub }: User, tokens?: TokenSet): URL | undefined {
    void giveBack(sub, tokens);
    const config = relyingParty.known()?.afterwards;
    if (!config?.serverMetadata().end_session_endpoint) return undefined;
    // OpenID Connect RP-Initiated Logout 1.0 §2. The hint is the only token that ever leaves in a URL.
    return buildEndSessionUrl(config, {
      post_logout_redirect_uri: signedOut.href,
      state: 'ended',
      ...(tokens?.idToken !== undefined && { id_token_hint: tokens.idToken }),
    });
  }

  /** Revokes the refresh token, in the background. */
  async function giveBack(sub: string, tokens?: TokenSet): Promise<void> {
    const config = (await relyingParty.config().catch(() => undefined))?.afterwards;
    const revocation = config ? revocationFor(config, tokens) : 'not_advertised';
    onEvent({ event: 'signed_out', sub, revocation });
    if (config) await revokeRefreshToken(config, tokens, onEvent);
  }

  return {
    signOut: (req, res) => end(req, res, false),
    signOutEverywhere: (req, res) => end(req, res, true),
  };
}
