// POST /webhooks/authkit: AuthKit's webhooks end sessions here.
// In order: raw body -> signature -> JSON -> seen before? -> act on sessions -> remember -> 200.
import express, { Router, type ErrorRequestHandler, type RequestHandler } from 'express';
import { EventError } from './errors.ts';
import { readNews, type Acted, type News } from './news.ts';
import { verifySignature } from './signature.ts';
import type { EventListener, Leases, Sessions } from './types.ts';

export interface WebhookOptions {
  /** The endpoint's signing secrets, from the WorkOS dashboard; several during a rotation. */
  secrets: readonly string[];
  /** `createAuth` of src/auth returns what is needed. */
  sessions: Sessions;
  /** Remembers events on every instance; the stores of src/store do. */
  leases: Leases;
  /** Default: `/webhooks/authkit`. */
  path?: string;
  /** Accepted age of a signature, in seconds, both ways; default: 180. */
  toleranceSeconds?: number;
  /** Receives each event, for your log. */
  onEvent?: EventListener;
}

const MAX_BODY = 256 * 1024;
// AuthKit sends an event again for three days.
const REMEMBERED_MS = 3 * 86_400_000;
// AuthKit waits for a response, and sends the event again without one.
const RESPOND_WITHIN_MS = 900;

/**
 * Returns the route. Mount it before anything that parses bodies or reads sessions. It responds with
 * 200 once everything is done, and otherwise with the status of the EventError, as JSON.
 * @throws RangeError without a secret
 */
export function webhook(options: WebhookOptions): Router {
  const {
    secrets,
    path = '/webhooks/authkit',
    toleranceSeconds = 180,
    onEvent = () => {},
  } = options;
  // An empty secret would let anyone sign.
  if (secrets.length === 0 || secrets.includes(''))
    throw new RangeError('secrets: needs at least one');
  const readBody = express.raw({ type: () => true, limit: MAX_BODY, inflate: false });
  const receive: RequestHandler = async (req, res) => {
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    verifySignature(req.get('workos-signature'), body, secrets, toleranceSeconds * 1000);
    const news = readNews(body);
    const { result, sessions } = await inTime(actOnce(options, news));
    const { id, type, sub } = news;
    onEvent({
      event: 'webhook_received',
      id,
      type,
      result,
      sessions,
      ...(sub !== undefined && { sub }),
    });
    res.set('Cache-Control', 'no-store').json({ result });
  };
  const refuse: ErrorRequestHandler = (thrown, _req, res, _next) => {
    const error = toEventError(thrown);
    const { code, reason, status, message, cause } = error;
    onEvent({ event: 'webhook_refused', code, reason }, status >= 500 ? cause : undefined);
    res.status(status).set('Cache-Control', 'no-store').json({ error: code, message });
  };
  return Router().post(path, readBody, receive, refuse);
}

/** Remembers an event only once everything is done: cut off before that, it is done again. */
async function actOnce({ sessions, leases }: WebhookOptions, news: News): Promise<Acted> {
  const lease = [`event:${news.id}`, 'done', REMEMBERED_MS] as const;
  if (await leases.renewLease(...lease)) return { result: 'repeated', sessions: 0 };
  const acted = await news.act(sessions);
  if (acted.result !== 'ignored') await leases.acquireLease(...lease);
  return acted;
}

function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new EventError('unavailable')), RESPOND_WITHIN_MS);
  });
  return Promise.race([work, tooLate]).finally(() => clearTimeout(timer));
}

/** What body-parser throws has a `type`; anything else is the store's, and AuthKit repeats later. */
function toEventError(thrown: unknown): EventError {
  if (thrown instanceof EventError) return thrown;
  const { type, status } = Object(thrown) as { type?: unknown; status?: unknown };
  if (type === 'entity.too.large') return new EventError('body_too_large', { cause: thrown });
  const isBody = typeof type === 'string' && typeof status === 'number' && status < 500;
  return isBody
    ? new EventError('body_incomplete', { reason: type, cause: thrown })
    : new EventError('unavailable', { cause: thrown });
}
