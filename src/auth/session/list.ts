// A user's sessions, for your own page that lists and ends them. Only a session's own browser has
// the cookie that opens it, so sessions are deleted unopened and their refresh tokens are not
// revoked. After that, no one can read and use those tokens either.
import type { Request } from 'express';
import type { Context } from '../context.ts';
import { storeFailure } from '../errors.ts';
import type { User } from '../sign-in/user.ts';
import type { SessionSummary } from './records.ts';
import { currentUser } from './session.ts';

export interface OwnSession extends SessionSummary {
  /** Whether this is the session of the request. */
  current: boolean;
}

/** Whether this is the session of the request; to end that one, sign out. */
const isCurrent = (req: Request, key: string) => key === req.authSession?.stored?.key;

/** The keys of a user's sessions. @throws SignInError `store_unavailable` */
export async function keysOfPerson({ records, store }: Context, user: User): Promise<string[]> {
  const found = store.index.ofPerson(user).map((person) => records.keysBy('person', person));
  return (await Promise.all(found).catch(storeFailure)).flat();
}

/** The signed-in user's sessions, found by their index keys. */
export function ownSessions(context: Context) {
  const { records, store, onEvent } = context;
  return {
    /** The signed-in user's sessions, this one first. @throws SignInError `store_unavailable` */
    async list(req: Request): Promise<OwnSession[]> {
      const userKeys = store.index.ofPerson(currentUser(req));
      const lists = userKeys.map((userKey) => records.sessionsOf(userKey));
      return (await Promise.all(lists).catch(storeFailure))
        .flat()
        .map((summary) => ({ ...summary, current: isCurrent(req, summary.key) }))
        .toSorted((a, b) => Number(b.current) - Number(a.current) || b.lastSeenAt - a.lastSeenAt);
    },
    /**
     * Ends one of them, at once on every instance; false if it is gone or not the user's.
     * @throws SignInError `store_unavailable`
     */
    async end(req: Request, key: string): Promise<boolean> {
      const user = currentUser(req);
      if (!(await keysOfPerson(context, user)).includes(key)) return false;
      const isEnded = await records.remove(key).catch(storeFailure);
      if (isEnded) onEvent({ event: 'session_ended', sub: user.sub, reason: 'ended_by_user' });
      return isEnded;
    },
    isCurrent,
  };
}
