// The demo's pages. Each is a guard and a view; the words are in format.ts, the look in views/.
import { Router, type Request } from 'express';
import {
  currentSession,
  isExpired,
  renewsAt,
  type Auth,
  type TokenFacts,
} from '../../auth/index.ts';

/** GET /, /profile, /organization, /moderation and /signed-out; each page an example of one guard. */
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

  // The one page where an answer up to five minutes old is too old.
  router.get('/moderation', auth.requireLogin, auth.requireActiveSession(3), (_req, res) => {
    // With a `now` of before the question, the answer would come out of the future.
    const checkedAt = new Date();
    res.render('moderation', { checkedAt, now: checkedAt });
  });

  router.get('/signed-out', (req, res) => {
    // Whoever is signed in must not be told otherwise because the store is away.
    if (req.authSession?.unavailable) throw req.authSession.unavailable;
    // Anybody can type this address: nothing in it tells what has ended.
    res.render('signed-out', { endsAtAuthKit: auth.advertisesEndSession() });
  });

  return router;
}

function profileData(req: Request, idleSeconds: number) {
  const session = currentSession(req);
  const { user, facts, startedAt, lastSeenAt, endsAt, claims, refreshFailed } = session;
  const { issuer: iss, emailVerified: email_verified, orgId: _inTheToken, ...profile } = user;
  return {
    // Not the one that app.ts gave to all views: a refresh may have changed the organization since.
    user,
    claims: { iss, ...profile, ...(profile.email && { email_verified }), ...claims },
    scopes: facts.scope,
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
