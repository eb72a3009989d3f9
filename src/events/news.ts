// What each event means for sessions here. AuthKit sends events more than once, late and in any
// order: what is done about one changes nothing the second time.
// https://workos.com/docs/events
import { EventError } from './errors.ts';
import type { Result, SessionMatch, Sessions } from './types.ts';

/** What an event says, and what to do about it. */
export interface News {
  id: string;
  type: string;
  /** The id of the user: the `sub` of our issuer. Absent if the event is not for us. */
  sub?: string;
  act(sessions: Sessions): Promise<Acted>;
}

export interface Acted {
  result: Result;
  sessions: number;
}

type Data = Record<string, unknown>;

// AuthKit's clock stamps the event, and ours the tokens.
const CLOCK_TOLERANCE_MS = 60_000;

/** Which sessions an event is about. A deletion cannot be taken back, so it ends them. */
const TYPES: Record<
  string,
  (data: Data) => { match: SessionMatch & { sub: string }; ends: boolean }
> = {
  'user.deleted': (data) => ({ match: { sub: text(data, 'id') }, ends: true }),
  'user.updated': (data) => ({ match: { sub: text(data, 'id') }, ends: false }),
  'organization_membership.deleted': (data) => ({ match: membership(data), ends: true }),
  // Not only those in the organization: the others may choose it at their next refresh.
  'organization_membership.updated': (data) => ({
    match: { sub: membership(data).sub },
    ends: false,
  }),
  // The session at AuthKit is not known here: a Connect application's `sid` is a consent.
  'session.revoked': (data) => ({ match: { sub: text(data, 'user_id') }, ends: false }),
};

const membership = (data: Data) => ({
  sub: text(data, 'user_id'),
  organization: text(data, 'organization_id'),
});

/**
 * Takes the JSON of a webhook.
 * @throws EventError `body_not_json`; `event_malformed` for an event of a known type without its ids
 */
export function readNews(body: Uint8Array): News {
  const event = parse(body);
  const [id, type] = [text(event, 'id'), text(event, 'event')];
  const read = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (!read) return { id, type, act: async () => ({ result: 'ignored', sessions: 0 }) };
  const data: unknown = event['data'];
  if (!isObject(data)) throw new EventError('event_malformed', { reason: 'no data' });
  const { match, ends } = read(data);
  const created = time(event['created_at']);
  const updated = time(data['updated_at']);
  // A deleted object keeps the time of its last update.
  const at = (ends ? (created ?? updated) : (updated ?? created)) ?? Date.now();
  const act = (sessions: Sessions) => (ends ? end : recheck)(sessions, match, at);
  return { id, type, sub: match.sub, act };
}

async function end(sessions: Sessions, match: SessionMatch, at: number): Promise<Acted> {
  // A deleted user never returns, but a user may join an organization again: what began after the
  // event is not ended by it, and asks AuthKit.
  const canReturn = 'organization' in match;
  const ended = await sessions.endSessions(match, canReturn ? at : undefined);
  if (canReturn) await recheck(sessions, match, at);
  return { result: 'ended', sessions: ended };
}

/** Late news about a session whose tokens are newer asks nobody. */
const recheck = async (sessions: Sessions, match: SessionMatch, at: number): Promise<Acted> => ({
  result: 'rechecked',
  sessions: await sessions.recheckSessions(match, at + CLOCK_TOLERANCE_MS),
});

function parse(body: Uint8Array): Data {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString());
  } catch (cause) {
    throw new EventError('body_not_json', { cause });
  }
  if (!isObject(value)) throw new EventError('body_not_json');
  return value;
}

const isObject = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Ids and names of types: they go into the log and the store. */
function text(of: Data, name: string): string {
  const value = of[name];
  if (typeof value === 'string' && /^[\w.:|@-]{1,255}$/.test(value)) return value;
  throw new EventError('event_malformed', { reason: `no ${name}` });
}

function time(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
