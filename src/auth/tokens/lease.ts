// Mutual exclusion across processes and machines: an owned lease, renewed while the work runs.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SignInError, storeFailure } from '../errors.ts';
import type { SessionRecords } from '../session/records.ts';

// A crashed holder delays the others by this at most. Kept short: AuthKit may accept a rotated refresh
// token again only for a short, undocumented time (the local AuthKit: ten seconds).
const LEASE_MS = 5_000;
const RENEW_EVERY_MS = 1_000;
const POLL_EVERY_MS = 15;
// Longer than a lease, to outwait a crashed holder. Without a limit, when AuthKit does not respond,
// each instance would wait for the timeouts of all instances before it.
const MAX_WAIT_MS = 7_500;

/** The lease under which a session's tokens are refreshed. */
export const refreshLease = (key: string) => `refresh:${key}`;

/**
 * Runs `work` while holding the lease `name`. After a wait, another holder may have done the work:
 * `work` must check the store first.
 * @throws SignInError `store_unavailable`; `issuer_timeout` if others held the lease for too long
 */
export async function withLease<T>(
  records: SessionRecords,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const owner = randomUUID();
  const givesUpAt = performance.now() + MAX_WAIT_MS;
  while (!(await records.acquireLease(name, owner, LEASE_MS).catch(storeFailure))) {
    if (performance.now() > givesUpAt) throw new SignInError('issuer_timeout');
    await delay(POLL_EVERY_MS * (1 + Math.random()));
  }
  // Work may take longer than the lease. A lease that expires during a refresh would let a second
  // refresh spend the same refresh token.
  const renewal = setInterval(() => {
    records.renewLease(name, owner, LEASE_MS).catch(() => undefined);
  }, RENEW_EVERY_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await records.releaseLease(name, owner).catch(() => undefined);
  }
}
