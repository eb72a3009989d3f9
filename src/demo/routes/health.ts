// For load balancers: /healthz reports that the process runs, /readyz whether it can sign users in.
import type { RequestHandler } from 'express';
import type { Auth } from '../../auth/index.ts';
import { StoreError, type StoreErrorCode } from '../../store/index.ts';

/** What the operator reads; the log has the cause. */
const REASONS: Record<StoreErrorCode, string> = {
  store_unreachable: 'The session store does not respond.',
  store_damaged: 'The session file is damaged, or not a database of this version.',
  store_full: 'The session store has no room for a write.',
  store_readonly: 'The session store refuses writes: it is read-only, or a replica.',
  store_failed: 'The session store refuses a command that sign-in needs.',
};

/** GET /healthz. */
export const live: RequestHandler = (_req, res) => {
  res.set('Cache-Control', 'no-store').json({ status: 'ok' });
};

export interface ReadyOptions {
  pingStore: () => Promise<void>;
  isShuttingDown: () => boolean;
}

/**
 * GET /readyz: 503 with what is missing, or while the process shuts down; else 200, with "degraded"
 * while the issuer is unreachable.
 */
export function ready(auth: Auth, { pingStore, isShuttingDown }: ReadyOptions): RequestHandler {
  return async (_req, res) => {
    res.set('Cache-Control', 'no-store');
    if (isShuttingDown()) {
      res.status(503).json({ status: 'shutting_down' });
      return;
    }
    const [issuer, failure] = await Promise.all([auth.state(), storeFailure(pingStore)]);
    const store = failure === undefined ? 'ready' : failure.replace('store_', '');
    const missing = [
      ...(issuer === 'never_reached' ? ['issuer'] : []),
      ...(failure === undefined ? [] : ['store']),
    ];
    if (missing.length > 0) {
      const reason = failure && REASONS[failure];
      res.status(503).json({ status: 'down', missing, issuer, store, reason });
      return;
    }
    // A 503 here would take every instance out of service, although valid sessions keep working.
    res.json({ status: issuer === 'away' ? 'degraded' : 'ok', issuer, store });
  };
}

async function storeFailure(pingStore: () => Promise<void>): Promise<StoreErrorCode | undefined> {
  try {
    await pingStore();
    return undefined;
  } catch (error) {
    return error instanceof StoreError ? error.code : 'store_failed';
  }
}
