// What Redis knows of a session beside what is sealed, as one line of text: each further field of a
// hash costs some 80 bytes, more than most of these values are long. scripts.ts reads it too.
import type { IndexKeys } from '../../auth/session/records.ts';

export interface Metadata {
  /** Milliseconds since the epoch, as all times here. */
  expiresAt: number;
  version: number;
  lastSeenAt: number;
  endsAt: number;
  startedAt: number;
  /** `person` is empty for a session nobody signed in to. */
  keys: IndexKeys;
  label: string;
}

// In the order above. A line of version 0.1.0 has the person alone where the three keys are now.
const LINE = /^(\d+) (\d+) (\d+) (\d+) (\d+) ([^ ,]*)(?:,([^ ,]+)?,([^ ,]+)?)? (.*)$/s;

/** The line for the field `about`. */
export function writeMetadata(metadata: Metadata): string {
  const { expiresAt, version, lastSeenAt, endsAt, startedAt, keys, label } = metadata;
  const { person, organization = '', issuerSession = '' } = keys;
  const three = person && `${person},${organization},${issuerSession}`;
  return [expiresAt, version, lastSeenAt, endsAt, startedAt, three, label].join(' ');
}

/** Undefined when there is no session, or when its field is none of ours. */
export function readMetadata(line: string | null | undefined): Metadata | undefined {
  const found = LINE.exec(line ?? '');
  if (!found) return undefined;
  const [expiresAt = 0, version = 0, lastSeenAt = 0, endsAt = 0, startedAt = 0] = found
    .slice(1, 6)
    .map(Number);
  const [person = '', organization, issuerSession, label = ''] = found.slice(6);
  const keys = { person, organization, issuerSession };
  return { expiresAt, version, lastSeenAt, endsAt, startedAt, keys, label };
}
