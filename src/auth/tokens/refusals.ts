// What a refresh response without tokens means: the grant has ended, AuthKit refuses to refresh it,
// this application is misconfigured, or nothing at all.
import type { LRUCache } from 'lru-cache';
import { SignInError } from '../errors.ts';

/** A refusal that concerns only this grant. */
export class GrantRefusal extends SignInError {
  /** Whether AuthKit says that the grant has ended; otherwise a later refresh may succeed. */
  readonly isFinal: boolean;

  constructor(isFinal: boolean, cause: unknown) {
    super('refresh_refused', { cause });
    this.isFinal = isFinal;
  }
}

// RFC 6749 §5.2, RFC 8707 §2: wrong settings, which signing in again would not fix.
const CONFIG_ERROR =
  /^(?:invalid_(?:client|request|scope|target)|unauthorized_client|unsupported_grant_type)$/;
// Request timeout, too early, too many requests: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
const TEMPORARY_STATUSES = new Set([408, 425, 429]);

/** The OAuth error of a response, if it is one. */
function oauthErrorOf(body: unknown): string | undefined {
  const { error } = Object(body) as { error?: unknown };
  return typeof error === 'string' && error !== '' ? error : undefined;
}

/**
 * Interprets a response without tokens by its status and JSON; `cause` is the library's error.
 * `invalid_grant` ends the grant, whatever the status. Any other OAuth error in a 4xx response
 * concerns the grant too, even an unknown one. Everything else is an outage: an error page of a
 * proxy says nothing about the grant.
 */
export function toRefusal(status: number, body: unknown, cause: unknown): GrantRefusal | undefined {
  const error = oauthErrorOf(body);
  if (error === 'invalid_grant') return new GrantRefusal(true, cause);
  const isRefusal = status >= 400 && status < 500 && !TEMPORARY_STATUSES.has(status);
  const isAboutGrant = isRefusal && error !== undefined && !CONFIG_ERROR.test(error);
  return isAboutGrant ? new GrantRefusal(false, cause) : undefined;
}

/** Whether the response says that this application is misconfigured: an alarm for the operator. */
export const isConfigError = (body: unknown) => CONFIG_ERROR.test(oauthErrorOf(body) ?? '');

/** A session ends after this many refusals, or this long after the first one. */
const MAX_REFUSALS = 3;
const MAX_REFUSED_MS = 60_000;

/** Refusals that were not final, by session key; `since` is by the monotonic clock. */
export type Refusals = LRUCache<string, { count: number; since: number }>;

/** Counts a refusal. Returns whether the session has had too many, or for too long. */
export function recordRefusal(refusals: Refusals, key: string): boolean {
  const now = performance.now();
  const { count, since } = refusals.get(key) ?? { count: 0, since: now };
  refusals.set(key, { count: count + 1, since });
  return count + 1 >= MAX_REFUSALS || now - since >= MAX_REFUSED_MS;
}
