// From a completed sign-in to the session it begins, in one write.
import type { Request } from 'express';
import { describeBrowser } from './browser.ts';
import type { CompletedSignIn } from './passport.ts';
import { recognizeAs } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore } from './session-store.ts';
import { userKey } from './user.ts';

/** Fills the new, empty session of `req`; whoever was signed in before is gone with the old one. */
export function createBeginSession(
  store: SealedSessionStore,
  settings: SessionSettings,
  maxSeconds: number,
): (req: Request, completed: CompletedSignIn) => void {
  return (req, { user, claims, tokens, grant }) => {
    const now = Date.now();
    const endsAt = now + maxSeconds * 1000;
    // What the user has already, and the nonce, which is spent, need no second place.
    const {
      nonce: _n,
      iss: _i,
      sub: _s,
      name: _a,
      email: _e,
      email_verified: _v,
      ...kept
    } = claims;
    // The organization follows the access token, so it is not fixed here.
    const { orgId: _follows, ...identity } = user;
    const signedIn = {
      user: identity,
      clientId: settings.clientId,
      claims: kept,
      startedAt: now,
      lastSeenAt: now,
      endsAt,
    };
    req.session.signedIn = signedIn;
    req.session.cookie.maxAge = Math.min(settings.idleSeconds, maxSeconds) * 1000;
    store.begin(req.session, {
      userKey: userKey(user.issuer, user.sub),
      browser: describeBrowser(req.get('user-agent')),
      grant,
      tokens,
      endsAt,
    });
    recognizeAs(req, signedIn, grant);
  };
}
