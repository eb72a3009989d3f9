// For load balancers: /healthz says the process lives, /readyz whether it can sign people in.
import { Router } from 'express';
import type { Auth } from '../auth/index.ts';

export function healthRoutes(auth: Auth, pingStore: () => Promise<void>): Router {
  const router = Router();
  router.use(['/healthz', '/readyz'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });
  router.get('/healthz', (_req, res) => void res.json({ status: 'ok' }));

  router.get('/readyz', async (_req, res) => {
    const [issuer, store] = await Promise.all([
      auth.state(),
      pingStore().then(
        () => 'ready' as const,
        () => 'unreachable' as const,
      ),
    ]);
    const missing = [
      ...(issuer === 'never_reached' ? ['issuer'] : []),
      ...(store === 'unreachable' ? ['store'] : []),
    ];
    if (missing.length > 0) {
      res.status(503).json({ status: 'down', missing, issuer, store });
      return;
    }
    // A fleet must not be taken out of service for it: valid sessions keep working.
    res.json({ status: issuer === 'away' ? 'degraded' : 'ok', issuer, store });
  });
  return router;
}
