// A person's sessions, for a page of your own: list them and end any. They are deleted without
// being opened (only their own browser's cookie could), so their refresh tokens are not revoked;
// nobody can use those any more either.
import type { Request } from 'express';
import type { SignInEventListener } from './events.ts';
import { storeFailure } from './failure.ts';
import { currentUser } from './guards.ts';
import type { SessionRecords, SessionSummary } from './records.ts';
import { userKey } from './user.ts';

export interface OwnSession extends SessionSummary {
  /** This is the session of the request. */
  current: boolean;
}

export interface OwnSessions {
  /** The signed-in user's sessions, this one first. @throws SignInError `store_unavailable` */
  list(req: Request): Promise<OwnSession[]>;
  /**
   * Ends one of them, at once on every instance; false if it was not theirs or is gone.
   * @throws SignInError `store_unavailable`
   */
  end(req: Request, key: string): Promise<boolean>;
  /** Whether this is the session of the request; ending it is a sign-out. */
  isCurrent(req: Request, key: string): boolean;
}

const isCurrent = (req: Request, key: string) => key === req.storedSession?.key;
const keyOf = (req: Request) => userKey(currentUser(req).issuer, currentUser(req).sub);

/** The sessions of whoever is signed in, by what the records index of them. */
export function createOwnSessions(
  records: SessionRecords,
  onEvent: SignInEventListener,
): OwnSessions {
  return {
    async list(req) {
      const sessions = await records.sessionsOf(keyOf(req)).catch(storeFailure);
      return sessions
        .map((summary) => ({ ...summary, current: isCurrent(req, summary.key) }))
        .toSorted((a, b) => Number(b.current) - Number(a.current) || b.lastSeenAt - a.lastSeenAt);
    },
    async end(req, key) {
      const ended = await records.removeOne(keyOf(req), key).catch(storeFailure);
      const { sub } = currentUser(req);
      if (ended) onEvent({ event: 'session_ended', sub, reason: 'ended_by_user' });
      return ended;
    },
    isCurrent,
  };
}
