// The unsealed part of a session in Redis, as one line of text: a hash field of its own for each
// value would cost about 80 bytes, more than most of these values. scripts.ts parses the same line.
import type { IndexKeys } from '../../auth/session/records.ts';

export interface Metadata {
  /** Milliseconds since the epoch, like all times here. */
  expiresAt: number;
  version: number;
  lastSeenAt: number;
  endsAt: number;
  startedAt: number;
  /** `person` is empty for an anonymous session. */
  keys: IndexKeys;
  label: string;
}

// In the order above. Version 0.1.0 wrote `person` alone in place of the three index keys.
const LINE = /^(\d+) (\d+) (\d+) (\d+) (\d+) ([^ ,]*)(?:,([^ ,]+)?,([^ ,]+)?)? (.*)$/s;

/** The value of the hash field `about`. */
export function writeMetadata(metadata: Metadata): string {
  const { expiresAt, version, lastSeenAt, endsAt, startedAt, keys, label } = metadata;
  const { person, organization = '', issuerSession = '' } = keys;
  const indexKeys = person && `${person},${organization},${issuerSession}`;
  return [expiresAt, version, lastSeenAt, endsAt, startedAt, indexKeys, label].join(' ');
}

/** Undefined when there is no session, or the line is not in this format. */
export function readMetadata(line: string | null | undefined): Metadata | undefined {
  const match = LINE.exec(line ?? '');
  if (!match) return undefined;
  const [expiresAt = 0, version = 0, lastSeenAt = 0, endsAt = 0, startedAt = 0] = match
    .slice(1, 6)
    .map(Number);
  const [person = '', organization, issuerSession, label = ''] = match.slice(6);
  const keys = { person, organization, issuerSession };
  return { expiresAt, version, lastSeenAt, endsAt, startedAt, keys, label };
}
