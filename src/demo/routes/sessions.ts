// The user's sessions: list them, end one, sign out everywhere. `auth.sessions` does the work.
import { Router, urlencoded } from 'express';
import { rejectForeignOrigin, rejectOtherPerson, type Auth } from '../../auth/index.ts';
import { allowOwnScript } from '../middleware/headers.ts';

/** GET /sessions, POST /sessions/end and POST /sessions/end-all. */
export function sessionRoutes(auth: Auth, baseUrl: URL): Router {
  const router = Router();
  const form = urlencoded({ extended: false, limit: '1kb', parameterLimit: 3 });

  router.get('/sessions', auth.requireLogin, allowOwnScript, async (req, res) => {
    const sessions = await auth.sessions.list(req);
    res.render('sessions', {
      sessions: sessions.map(({ key, label, startedAt, lastSeenAt, current }) => ({
        browser: label,
        current,
        handle: key,
        startedAt: new Date(startedAt),
        lastSeenAt: new Date(lastSeenAt),
      })),
      revocation: auth.advertisesRevocation(),
      notice: req.query['ended'] === 'gone' ? 'That session had already ended.' : undefined,
    });
  });

  router.post(
    '/sessions/end',
    rejectForeignOrigin(baseUrl),
    auth.requireLogin,
    rejectOtherPerson,
    form,
    async (req, res, next) => {
      const { handle } = req.body as { handle?: unknown };
      if (typeof handle !== 'string') return res.redirect(303, '/sessions?ended=gone');
      if (auth.sessions.isCurrent(req, handle)) return auth.signOut(req, res, next);
      const ended = await auth.sessions.end(req, handle);
      return res.redirect(303, ended ? '/sessions' : '/sessions?ended=gone');
    },
  );

  router.post(
    '/sessions/end-all',
    rejectForeignOrigin(baseUrl),
    auth.requireLogin,
    auth.signOutEverywhere,
  );
  return router;
}
