// What Redis knows of a session beside what is sealed, as one line of text: each further field of a
// hash costs some 80 bytes, more than most of these values are long. scripts.ts reads it too.

export interface About {
  /** Milliseconds since the epoch, as all times here. */
  expiresAt: number;
  version: number;
  lastSeenAt: number;
  endsAt: number;
  startedAt: number;
  /** Empty for a session nobody signed in to. */
  userKey: string;
  browser: string;
}

const LINE =
  /^(?<expiresAt>\d+) (?<version>\d+) (?<lastSeenAt>\d+) (?<endsAt>\d+) (?<startedAt>\d+) (?<userKey>\S*) (?<browser>.*)$/s;

/** The line for the field `about`. */
export function writeAbout(about: About): string {
  const { expiresAt, version, lastSeenAt, endsAt, startedAt, userKey, browser } = about;
  return [expiresAt, version, lastSeenAt, endsAt, startedAt, userKey, browser].join(' ');
}

/** Undefined when there is no session, or when its field is none of ours. */
export function readAbout(line: string | null | undefined): About | undefined {
  const found = LINE.exec(line ?? '')?.groups;
  if (!found) return undefined;
  return {
    expiresAt: Number(found['expiresAt']),
    version: Number(found['version']),
    lastSeenAt: Number(found['lastSeenAt']),
    endsAt: Number(found['endsAt']),
    startedAt: Number(found['startedAt']),
    userKey: found['userKey'] ?? '',
    browser: found['browser'] ?? '',
  };
}
