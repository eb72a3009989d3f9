// For load balancers: /healthz reports that the process runs, /readyz whether it can sign users in.
import type { RequestHandler } from 'express';
import type { Auth } from '../../auth/index.ts';

/** GET /healthz. */
export const live: RequestHandler = (_req, res) => {
  res.set('Cache-Control', 'no-store').json({ status: 'ok' });
};

/** GET /readyz: 503 with what is missing, else 200; "degraded" while the issuer is unreachable. */
export function ready(auth: Auth, pingStore: () => Promise<void>): RequestHandler {
  return async (_req, res) => {
    res.set('Cache-Control', 'no-store');
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
    // A 503 here would take every instance out of service, although valid sessions keep working.
    res.json({ status: issuer === 'away' ? 'degraded' : 'ok', issuer, store });
  };
}
