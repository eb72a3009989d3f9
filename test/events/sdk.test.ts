// WorkOS's own SDK signs and verifies webhooks too: each accepts what the other signs.
import { WorkOS } from '@workos-inc/node';
import { describe, expect, test } from 'vitest';
import { signWebhook, verifySignature } from '../../src/events/signature.ts';

const secret = 'a-webhook-secret-of-the-tests-0123';
const TOLERANCE_MS = 180_000;
const { webhooks } = new WorkOS('sk_test_of_the_tests');
const event = {
  id: 'event_01',
  event: 'user.deleted',
  created_at: '2026-11-26T00:00:00.000Z',
  data: { object: 'user', id: 'user_01', email: 'zoë@example.com', first_name: 'Zoë' },
};
const body = Buffer.from(JSON.stringify(event));

describe("WorkOS's SDK", () => {
  test('accepts what we sign', async () => {
    const sigHeader = signWebhook(secret, body);
    const constructed = await webhooks.constructEvent({ payload: event, sigHeader, secret });
    expect(constructed).toMatchObject({ id: 'event_01', event: 'user.deleted' });
  });

  test('signs what we accept', async () => {
    const time = Date.now();
    const signature = await webhooks.computeSignature(time, event, secret);
    const verify = (header: string) => verifySignature(header, body, [secret], TOLERANCE_MS);
    expect(() => verify(`t=${time}, v1=${signature}`)).not.toThrow();
    expect(() => verify(`t=${time},v1=${signature}`)).not.toThrow();
    expect(() => verify(`t=${time + 1}, v1=${signature}`)).toThrow('does not match');
  });

  test('accepts a signature from the future, which we refuse', async () => {
    const later = Date.now() + 3_600_000;
    const sigHeader = signWebhook(secret, body, later);
    await expect(
      webhooks.constructEvent({ payload: event, sigHeader, secret }),
    ).resolves.toBeDefined();
    expect(() => verifySignature(sigHeader, body, [secret], TOLERANCE_MS)).toThrow('future');
  });
});
