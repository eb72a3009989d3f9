// A new session as the columns of an SQL table.
import type { NewSession } from '../auth/session/records.ts';

/**
 * The values of: data, started_at, last_seen_at, expires_at, ends_at, version, person, organization,
 * issuer_session, facts, tokens, label.
 */
export function columnsOf({ data, signIn, startedAt, expiresAt, endsAt }: NewSession) {
  const { keys, facts = null, tokens = null, label = null } = signIn ?? {};
  const { person = null, organization = null, issuerSession = null } = keys ?? {};
  const times = [startedAt, startedAt, Math.min(expiresAt, endsAt), endsAt];
  const version = signIn ? 1 : 0;
  return [data, ...times, version, person, organization, issuerSession, facts, tokens, label];
}
