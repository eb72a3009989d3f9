// Webhooks as AuthKit sends them: signed, and sent again until the application responds with 2xx.
// AuthKit repeats them for three days; here, for two minutes.

import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from './environment.ts';
import { ulid } from './identifiers.ts';

const RETRY_AFTER_MS = [1_000, 3_000, 10_000, 30_000, 60_000];
const TIMEOUT_MS = 5_000;

export interface Webhooks {
  /** The signing secret of the endpoint. */
  readonly secret: string;
  /** Sends an event in the background. */
  send(type: string, data: object): void;
  /** Stops sending. */
  close(): void;
}

/** Sends events to `webhookUrl` of the environment, if there is one. */
export function createWebhooks({ state, webhookUrl }: Environment): Webhooks {
  const secret = state.secret('webhook');
  const closed = new AbortController();

  async function deliver(url: string, body: string): Promise<void> {
    for (const wait of [...RETRY_AFTER_MS, undefined]) {
      if (await isAccepted(url, body)) return;
      if (wait === undefined) return report(`gave up on ${url}`);
      await delay(wait, undefined, { signal: closed.signal, ref: false });
    }
  }

  async function isAccepted(url: string, body: string): Promise<boolean> {
    // Each attempt is signed anew: an old signature would be refused.
    const time = Date.now();
    const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
    const headers = {
      'content-type': 'application/json',
      'workos-signature': `t=${time}, v1=${signature}`,
    };
    const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const request = fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
    return request.then(
      ({ ok }) => ok,
      () => false,
    );
  }

  return {
    secret,
    send(type, data) {
      if (webhookUrl === undefined) return;
      const event = {
        id: `event_${ulid()}`,
        event: type,
        data,
        created_at: new Date().toISOString(),
      };
      deliver(webhookUrl, JSON.stringify({ object: 'event', ...event })).catch(() => undefined);
    },
    close: () => closed.abort(),
  };
}

const report = (line: string) => void process.stderr.write(`local AuthKit: webhook: ${line}\n`);
