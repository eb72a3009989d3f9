// The signature of a webhook: `WorkOS-Signature: t=<ms>, v1=<hex HMAC-SHA256 of "t.body">`.
// https://workos.com/docs/events/data-syncing/webhooks
import { createHmac, timingSafeEqual } from 'node:crypto';
import { EventError } from './errors.ts';

const sign = (secret: string, time: string, body: Uint8Array) =>
  createHmac('sha256', secret).update(`${time}.`).update(body).digest();

/** The header for a body, as AuthKit would send it at `now` (milliseconds since the epoch). */
export const signWebhook = (secret: string, body: Uint8Array, now = Date.now()) =>
  `t=${now}, v1=${sign(secret, String(now), body).toString('hex')}`;

/**
 * Verifies the header against the bytes of the body, before anything parses them. Any of `secrets`
 * may have signed it, so that a secret can be rotated.
 * @throws EventError `signature_missing`, `signature_invalid`; `signature_outdated` when it was made
 * more than `toleranceMs` before or after now
 */
export function verifySignature(
  header: string | undefined,
  body: Uint8Array,
  secrets: readonly string[],
  toleranceMs: number,
): void {
  const fields = (header ?? '').split(',').map((field) => field.trim());
  const times = fields.flatMap((field) => /^t=(\d{1,15})$/.exec(field)?.[1] ?? []);
  const signatures = fields.flatMap((field) => /^v1=([0-9a-f]{64})$/.exec(field)?.[1] ?? []);
  const [time] = times;
  if (time === undefined || times.length > 1 || signatures.length === 0)
    throw new EventError('signature_missing');
  const given = signatures.slice(0, MAX_SIGNATURES).map((hex) => Buffer.from(hex, 'hex'));
  const isOurs = secrets.some((secret) => {
    const expected = sign(secret, time, body);
    return given.some((signature) => timingSafeEqual(signature, expected));
  });
  if (!isOurs) throw new EventError('signature_invalid');
  // Checked last: only a time that was signed says anything about when it was sent.
  const ageMs = Date.now() - Number(time);
  if (Math.abs(ageMs) > toleranceMs)
    throw new EventError('signature_outdated', { reason: `${Math.round(ageMs / 1000)} s old` });
}

const MAX_SIGNATURES = 5;
