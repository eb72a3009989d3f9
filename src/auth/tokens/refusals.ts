// What a response without tokens says about a refresh: that the grant is over, that AuthKit does not want
// to renew it, that this application is set up wrongly, or nothing at all. One rule for all of them.
import type { LRUCache } from 'lru-cache';
import { SignInError } from '../errors.ts';

/** A refusal that is about this grant and nothing else. */
export class GrantRefusal extends SignInError {
  /** Whether AuthKit says that the grant is over; else it may think better of it. */
  readonly isFinal: boolean;

  constructor(isFinal: boolean, cause: unknown) {
    super('refresh_refused', { cause });
    this.isFinal = isFinal;
  }
}

// RFC 6749 §5.2, RFC 8707 §2: wrong settings, which no sign-in of this person would put right.
const OPERATORS = new Set([
  'invalid_client',
  'unauthorized_client',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'unsupported_grant_type',
]);
// Too slow, too early, too often: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
const NOT_NOW = new Set([408, 425, 429]);

/** The OAuth error of a response, if it is one. */
function oauthErrorOf(body: unknown): string | undefined {
  const { error } = Object(body) as { error?: unknown };
  return typeof error === 'string' && error !== '' ? error : undefined;
}

/**
 * What a response without tokens says, by its status and its JSON; `cause` is the library's view of it.
 * `invalid_grant` ends the grant, whatever the status. Any other OAuth error of a 4xx is about the grant
 * too, words that nobody has seen yet among them. All else is an outage: a page of an edge is no word of
 * AuthKit's.
 */
export function refusalOf(status: number, body: unknown, cause: unknown): GrantRefusal | undefined {
  const error = oauthErrorOf(body);
  if (error === 'invalid_grant') return new GrantRefusal(true, cause);
  const isRefusal = status >= 400 && status < 500 && !NOT_NOW.has(status);
  const isAboutGrant = isRefusal && error !== undefined && !OPERATORS.has(error);
  return isAboutGrant ? new GrantRefusal(false, cause) : undefined;
}

/** Whether the response says that this application is set up wrongly, which is an alarm. */
export const isOperators = (body: unknown) => OPERATORS.has(oauthErrorOf(body) ?? '');

/** After so many refusals, or so long after the first, AuthKit no longer stands behind a session. */
const MOST_REFUSALS = 3;
const LONGEST_REFUSED_MS = 60_000;

/** Refusals that were not final, by session key; `since` by the monotonic clock. */
export type Refused = LRUCache<string, { count: number; since: number }>;

/** Adds a refusal, and says whether the session has had too many, or for too long. */
export function isRefusedForGood(refused: Refused, key: string): boolean {
  const now = performance.now();
  const { count, since } = refused.get(key) ?? { count: 0, since: now };
  refused.set(key, { count: count + 1, since });
  return count + 1 >= MOST_REFUSALS || now - since >= LONGEST_REFUSED_MS;
}
