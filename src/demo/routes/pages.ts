// The demo's pages. Each one is a guard and a view in views/, which formats values with format.ts.
import { Router, type Request } from 'express';
import {
  currentSession,
  isExpired,
  renewsAt,
  type Auth,
  type TokenFacts,
} from '../../auth/index.ts';

/** GET /, /profile, /organization, /moderation and /signed-out, as examples of the guards. */
export function pageRoutes(auth: Auth, idleSeconds: number): Router {
  const router = Router();

  router.get('/', (_req, res) => res.render('home'));

  router.get('/profile', auth.requireLogin, (req, res) => {
    res.render('profile', profileData(req, idleSeconds));
  });

  router.get('/organization', auth.requireLogin, auth.requireOrganization, (req, res) => {
    const { user, refreshFailed } = currentSession(req);
    const { orgId } = user;
    res.render('organization', { orgId, authkitUnreachable: refreshFailed !== undefined });
  });

  // Revoked access must end here within seconds; on other pages it may last up to five minutes.
  const isActive = auth.requireActiveSession(3);
  const isModerator = auth.requirePermission('posts:moderate');
  router.get('/moderation', auth.requireLogin, isActive, isModerator, (_req, res) => {
    // `now` was set before introspection: relative to it, `checkedAt` would be in the future.
    const checkedAt = new Date();
    res.render('moderation', { checkedAt, now: checkedAt });
  });

  router.get('/signed-out', (req, res) => {
    // While the store is unreachable, the page must not tell a signed-in user "You are signed out".
    if (req.authSession?.unavailable) throw req.authSession.unavailable;
    // Anyone can open this URL: only the state of this browser proves that a session has ended.
    const hasEndedAtAuthKit = auth.endedAtIssuer(req, res);
    res.render('signed-out', { hasEndedAtAuthKit });
  });

  return router;
}

function profileData(req: Request, idleSeconds: number) {
  const session = currentSession(req);
  const { user, facts, startedAt, lastSeenAt, endsAt, claims, refreshFailed } = session;
  const { issuer: iss, emailVerified: email_verified, orgId: _inTheToken, ...profile } = user;
  return {
    // Overrides the user from app.ts: a refresh may have changed the organization since.
    user,
    claims: { iss, ...profile, ...(profile.email && { email_verified }), ...claims },
    scopes: facts.scope,
    permissions: facts.permissions ?? [],
    session: {
      startedAt: new Date(startedAt),
      idleEndsAt: new Date(Math.min(lastSeenAt + idleSeconds * 1000, endsAt)),
      endsAt: new Date(endsAt),
    },
    accessToken: accessTokenData(facts),
    authkitUnreachable: refreshFailed !== undefined,
  };
}

function accessTokenData(facts: TokenFacts) {
  return {
    expiresAt: new Date(facts.expiresAt),
    renewsAt: facts.renewable ? new Date(renewsAt(facts)) : null,
    renewable: facts.renewable,
    expired: isExpired(facts),
  };
}
