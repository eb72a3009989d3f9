// For load balancers: /healthz says the process lives, /readyz whether it can sign people in.
import type { RequestHandler } from 'express';
import type { Auth } from '../../auth/index.ts';

/** GET /healthz. */
export const live: RequestHandler = (_req, res) => {
  res.set('Cache-Control', 'no-store').json({ status: 'ok' });
};

/** GET /readyz: 503 with what is missing; 200 else, "degraded" while a known issuer is away. */
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
    // A fleet must not be taken out of service for it: valid sessions keep working.
    res.json({ status: issuer === 'away' ? 'degraded' : 'ok', issuer, store });
  };
}
