// The demo's pages. Each is a guard and a view; the words are in words.ts, the look in views/.
import { Router, type Request } from 'express';
import { currentUser, renewsAt, type Auth, type Grant } from '../../auth/index.ts';

/** GET /, /profile, /organization, /moderation and /signed-out; each page an example of one guard. */
export function pageRoutes(auth: Auth, idleSeconds: number): Router {
  const router = Router();

  router.get('/', (_req, res) => res.render('home'));

  router.get('/profile', auth.requireLogin, (req, res) => {
    res.render('profile', profileData(req, idleSeconds));
  });

  router.get('/organization', auth.requireLogin, auth.requireOrganization, (req, res) => {
    const { orgId } = currentUser(req);
    res.render('organization', { orgId, authkitUnreachable: req.authKitUnreachable !== undefined });
  });

  // The one page where an answer up to five minutes old is too old.
  router.get('/moderation', auth.requireLogin, auth.requireActiveSession(3), (_req, res) => {
    // With a `now` of before the question, the answer would come out of the future.
    const checkedAt = new Date();
    res.render('moderation', { checkedAt, now: checkedAt });
  });

  router.get('/signed-out', (req, res) => {
    // AuthKit sends `state` back after it ended its own session (RP-Initiated Logout 1.0 §3).
    const ended = req.user === undefined && req.query['state'] === 'ended';
    res.render('signed-out', { authkitSession: ended ? 'ended' : 'may-remain' });
  });

  return router;
}

function profileData(req: Request, idleSeconds: number) {
  const { grant, storedSession: { signedIn } = {} } = req;
  if (!signedIn || !grant) throw new TypeError('requireLogin comes before the profile page');
  const { user, startedAt, lastSeenAt, endsAt, claims } = signedIn;
  const { issuer: iss, emailVerified: email_verified, ...profile } = user;
  return {
    // Not the one that app.ts gave to all views: a refresh may have changed the organization since.
    user: currentUser(req),
    claims: { iss, ...profile, ...(profile.email && { email_verified }), ...claims },
    scopes: grant.scope,
    session: {
      startedAt: new Date(startedAt),
      idleEndsAt: new Date(Math.min(lastSeenAt + idleSeconds * 1000, endsAt)),
      endsAt: new Date(endsAt),
    },
    accessToken: accessTokenData(grant),
    authkitUnreachable: req.authKitUnreachable !== undefined,
  };
}

function accessTokenData(grant: Grant) {
  return {
    expiresAt: new Date(grant.expiresAt),
    renewsAt: grant.renewable ? new Date(renewsAt(grant)) : null,
    renewable: grant.renewable,
    expired: Date.now() >= grant.expiresAt,
  };
}
