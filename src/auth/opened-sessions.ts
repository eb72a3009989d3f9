// What was in a row of the store the last time it was opened. Each request reads the row itself, so
// a session that has ended is never served from here; but deriving two keys, decrypting and parsing
// bytes that are the same as before took longer than reading them.
import type { SignedIn } from './express.ts';
import type { SessionRow } from './records.ts';
import type { Sealer } from './seal.ts';
import type { Grant } from './tokens.ts';

export interface OpenedSession {
  /** Who signed in: shared by requests, hence frozen. */
  signedIn: Readonly<SignedIn> | undefined;
  /** Everything else in the session, as JSON: each request may change its own. */
  rest: string;
  grant: Grant | undefined;
}

/** At some 2 kB each. */
const MOST_REMEMBERED = 5_000;

/** The function that opens a row; `key` is the hash of `sid` that the row was read by. */
export function createOpener(data: Sealer, grants: Sealer) {
  const remembered = new Map<string, { row: SessionRow; opened: OpenedSession }>();

  return (key: string, sid: string, row: SessionRow): OpenedSession | undefined => {
    const known = remembered.get(key);
    if (known && hasSameBytes(known.row, row)) return known.opened;
    remembered.delete(key);
    const content = data.open(row.data, sid);
    if (!content) return undefined;
    const { signedIn, ...rest } = JSON.parse(content.toString()) as { signedIn?: SignedIn };
    const grant = row.grant && grants.open(row.grant, sid);
    const opened = {
      signedIn: signedIn && freeze(signedIn),
      rest: JSON.stringify(rest),
      grant: grant && freeze(JSON.parse(grant.toString()) as Grant),
    };
    const [oldest] = remembered.size < MOST_REMEMBERED ? [] : remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(key, { row, opened });
    return opened;
  };
}

function hasSameBytes(one: SessionRow, other: SessionRow): boolean {
  if (!one.data.equals(other.data)) return false;
  return one.grant && other.grant ? one.grant.equals(other.grant) : one.grant === other.grant;
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner) freeze(inner);
  return Object.freeze(value);
}
