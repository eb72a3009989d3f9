// A person's sessions, for a page of your own: list them, end one, end all. They are deleted without
// being opened (only their own browser's cookie could), so their refresh tokens are not revoked;
// nobody can use those any more either.
import type { Request } from 'express';
import type { SignInEventListener } from './events.ts';
import { currentUser } from './guards.ts';
import type { SessionRecords, SessionSummary } from './records.ts';
import { sessionKey, storeFailure, userKey } from './session-store.ts';

export interface OwnSession extends SessionSummary {
  /** This is the session of the request. */
  current: boolean;
}

export interface OwnSessions {
  /** The signed-in user's sessions, this one first. @throws SignInError `store_unavailable` */
  list(req: Request): Promise<OwnSession[]>;
  /** Ends one of them, at once on every instance; false if it was not theirs or is gone. */
  end(req: Request, key: string): Promise<boolean>;
  /** Ends all of them, this one too; resolves to how many there were. */
  endAll(req: Request): Promise<number>;
}

const keyOf = (req: Request) => userKey(currentUser(req).issuer, currentUser(req).sub);

export function createOwnSessions(
  records: SessionRecords,
  onEvent: SignInEventListener,
): OwnSessions {
  const told = (req: Request) =>
    onEvent({ event: 'session_ended', sub: currentUser(req).sub, reason: 'ended_by_user' });

  return {
    async list(req) {
      const own = sessionKey(req.session.id);
      const sessions = await records.sessionsOf(keyOf(req)).catch(storeFailure);
      return sessions
        .map((summary) => ({ ...summary, current: summary.key === own }))
        .toSorted((a, b) => Number(b.current) - Number(a.current) || b.lastSeenAt - a.lastSeenAt);
    },
    async end(req, key) {
      const ended = await records.removeOne(keyOf(req), key).catch(storeFailure);
      if (ended) told(req);
      return ended;
    },
    async endAll(req) {
      const count = await records.removeAll(keyOf(req)).catch(storeFailure);
      told(req);
      return count;
    },
  };
}
