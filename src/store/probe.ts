// Tries what sign-in needs. A replica, a full server, or a user who may not run scripts or touch the
// keys responds to a ping, and every sign-in fails.
import { randomUUID } from 'node:crypto';
import type { SessionRecords } from '../auth/session/records.ts';

const EVERY_MS = 3_000;
const LIFETIME_MS = 10_000;

type Written = Pick<SessionRecords, 'insert' | 'remove' | 'acquireLease' | 'releaseLease'>;

/**
 * Returns a function that writes and deletes a session and a lease, at most every three seconds;
 * calls in between share the result. It rejects with the StoreError of what failed.
 */
export function createProbe(store: Written): () => Promise<void> {
  let last: { at: number; result: Promise<void> } | undefined;
  return () => {
    const at = performance.now();
    if (!last || at - last.at >= EVERY_MS) last = { at, result: writeAndDelete(store) };
    return last.result;
  };
}

async function writeAndDelete(store: Written): Promise<void> {
  const id = `probe-${randomUUID()}`;
  const startedAt = Date.now();
  const endsAt = startedAt + LIFETIME_MS;
  const bytes = Buffer.from('probe');
  const signIn = { keys: { person: id }, facts: bytes, tokens: bytes, label: 'probe' };
  await store.insert(id, { data: bytes, startedAt, expiresAt: endsAt, endsAt, signIn });
  await store.remove(id);
  await store.acquireLease(id, id, LIFETIME_MS);
  await store.releaseLease(id, id);
}
