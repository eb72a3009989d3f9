// One at a time, across processes and machines: a lease with an owner, renewed while the work runs.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SignInError, storeFailure } from '../errors.ts';
import type { SessionRecords } from '../session/records.ts';

// A holder that dies delays the others by this at most. It is shorter than the time for which AuthKit
// still takes a refresh token that the dead one has spent.
const LEASE_MS = 5_000;
const RENEW_EVERY_MS = 1_000;
const LOOK_AGAIN_MS = 15;
// Longer than a lease, so that a dead holder is outwaited. With AuthKit silent, each instance would
// otherwise wait for the timeouts of all before it.
const PATIENCE_MS = 7_500;

/** The lease under which a session's tokens are refreshed. */
export const refreshLease = (key: string) => `refresh:${key}`;

/**
 * Runs `work` while holding the lease `name`. Whoever had to wait finds what the others have done:
 * `work` looks at the store first.
 * @throws SignInError `store_unavailable`; `issuer_timeout` when others held it for too long
 */
export async function withLease<T>(
  records: SessionRecords,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const owner = randomUUID();
  const givesUpAt = performance.now() + PATIENCE_MS;
  while (!(await records.acquireLease(name, owner, LEASE_MS).catch(storeFailure))) {
    if (performance.now() > givesUpAt) throw new SignInError('issuer_timeout');
    await delay(LOOK_AGAIN_MS * (1 + Math.random()));
  }
  // Work may take longer than the lease, and a lease that runs out in mid-refresh would let a second
  // one spend the same refresh token.
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
