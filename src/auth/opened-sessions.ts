// What was in a row of the store the last time it was opened. Each request reads the row itself, so
// a session that has ended is never served from here; but deriving two keys, decrypting and parsing
// bytes that are the same as before took longer than reading them.
import { LRUCache } from 'lru-cache';
import type { SignedIn } from './express.ts';
import type { SessionRow } from './records.ts';
import type { Sealer } from './seal.ts';
import type { Grant } from './tokens.ts';
import { userWithin, type User } from './user.ts';

export interface OpenedSession {
  /** Who signed in: shared by requests, hence frozen. */
  signedIn: Readonly<SignedIn> | undefined;
  grant: Grant | undefined;
  /** Who that is; each request takes a copy of its own. */
  user: Readonly<User> | undefined;
  /** Everything else in the session, as JSON: each request may change its own. */
  rest: string;
}

export interface Opener {
  /** Opens a row; `key` is the hash of `sid` that the row was read by. */
  open(key: string, sid: string, row: SessionRow): OpenedSession | undefined;
  /** The session has ended: nothing of it stays in memory. */
  forget(key: string): void;
}

/** At some 2 kB each, and never more than the bytes below. */
const MOST_REMEMBERED = 5_000;
const LARGEST_REMEMBERED = 4_096;

/** Takes the sealers of the two parts of a row. */
export function createOpener(data: Sealer, grants: Sealer): Opener {
  const remembered = new LRUCache<string, { row: SessionRow; opened: OpenedSession }>({
    max: MOST_REMEMBERED,
  });

  function open(key: string, sid: string, row: SessionRow): OpenedSession | undefined {
    const known = remembered.get(key);
    if (known && hasSameBytes(known.row, row)) return known.opened;
    remembered.delete(key);
    const content = data.open(row.data, sid);
    if (!content) return undefined;
    const { signedIn, ...rest } = JSON.parse(content.toString()) as { signedIn?: SignedIn };
    const grantContent = row.grant && grants.open(row.grant, sid);
    const grant = grantContent && freeze(JSON.parse(grantContent.toString()) as Grant);
    const user = signedIn && grant && freeze(userWithin(signedIn.user, grant));
    const opened = {
      signedIn: signedIn && freeze(signedIn),
      grant,
      user,
      rest: JSON.stringify(rest),
    };
    if (content.length > LARGEST_REMEMBERED) return opened;
    remembered.set(key, { row: copyOf(row), opened });
    return opened;
  }

  return { open, forget: (key) => void remembered.delete(key) };
}

/** A row from Redis is a slice of all that came in one go, and would keep that in memory. */
function copyOf({ data, grant, version }: SessionRow): SessionRow {
  return { data: Buffer.from(data), grant: grant && Buffer.from(grant), version };
}

function hasSameBytes(one: SessionRow, other: SessionRow): boolean {
  if (!one.data.equals(other.data)) return false;
  return one.grant && other.grant ? one.grant.equals(other.grant) : one.grant === other.grant;
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner) freeze(inner);
  return Object.freeze(value);
}
