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

// A line of version 0.1.0 has the person alone where the three keys are now.
const LINE =
  /^(?<expiresAt>\d+) (?<version>\d+) (?<lastSeenAt>\d+) (?<endsAt>\d+) (?<startedAt>\d+) (?<keys>\S*) (?<label>.*)$/s;

/** The line for the field `about`. */
export function writeMetadata(metadata: Metadata): string {
  const { expiresAt, version, lastSeenAt, endsAt, startedAt, keys, label } = metadata;
  const { person, organization = '', issuerSession = '' } = keys;
  const three = person && `${person},${organization},${issuerSession}`;
  return [expiresAt, version, lastSeenAt, endsAt, startedAt, three, label].join(' ');
}

/** Undefined when there is no session, or when its field is none of ours. */
export function readMetadata(line: string | null | undefined): Metadata | undefined {
  const found = LINE.exec(line ?? '')?.groups;
  if (!found) return undefined;
  const [person = '', organization, issuerSession] = (found['keys'] ?? '').split(',');
  return {
    expiresAt: Number(found['expiresAt']),
    version: Number(found['version']),
    lastSeenAt: Number(found['lastSeenAt']),
    endsAt: Number(found['endsAt']),
    startedAt: Number(found['startedAt']),
    keys: {
      person,
      ...(organization && { organization }),
      ...(issuerSession && { issuerSession }),
    },
    label: found['label'] ?? '',
  };
}
