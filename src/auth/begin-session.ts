// From a completed sign-in to the session it begins, in one write.
import type { Request } from 'express';
import { describeBrowser } from './browser.ts';
import type { CompletedSignIn } from './passport.ts';
import { recognizeAs } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore } from './session-store.ts';
import { userKey, type User } from './user.ts';

export interface Beginning extends CompletedSignIn {
  /** What the host kept in the session before. */
  kept: object;
}

/**
 * What the host keeps in `req.session`, for the session that takes its place: a visitor's basket comes
 * along, and so does everything of the same person. Of somebody else nothing does, not on the
 * computer that two people share.
 */
export function dataToKeep(req: Request, { issuer, sub }: User): object {
  const { signedIn } = req.session;
  const own = new Set(['cookie', 'signedIn', 'passport']);
  const kept = Object.entries(req.session).filter(([name]) => !own.has(name));
  const isOther = signedIn && (signedIn.user.issuer !== issuer || signedIn.user.sub !== sub);
  return isOther ? {} : Object.fromEntries(kept);
}

/** Fills the new, empty session of `req`; whoever was signed in before is gone with the old one. */
export function createBeginSession(
  store: SealedSessionStore,
  settings: SessionSettings,
  maxSeconds: number,
): (req: Request, beginning: Beginning) => void {
  return (req, { user, claims, tokens, grant, kept: hostData }) => {
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
    Object.assign(req.session, hostData);
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
