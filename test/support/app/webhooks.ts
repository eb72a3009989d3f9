// Webhooks as AuthKit sends them: signed bytes, posted to the app.
import { randomUUID } from 'node:crypto';
import { signWebhook } from '../../../src/events/index.ts';

export const WEBHOOK_SECRET = 'a-webhook-secret-of-the-tests-0123';

/** An event of AuthKit's, with a new id unless `change` has one. */
export const newEvent = (type: string, data: object, change: object = {}) => ({
  id: `event_${randomUUID()}`,
  event: type,
  data,
  created_at: new Date().toISOString(),
  ...change,
});

/** Signs and posts an event. */
export function send(url: string, event: object, headers: Record<string, string> = {}) {
  const body = Buffer.from(JSON.stringify(event));
  return post(url, body, { 'workos-signature': signWebhook(WEBHOOK_SECRET, body), ...headers });
}

/** Posts bytes to the webhook endpoint. */
export function post(url: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string>) {
  const all = { 'content-type': 'application/json', ...headers };
  return fetch(`${url}/webhooks/authkit`, { method: 'POST', headers: all, body });
}
