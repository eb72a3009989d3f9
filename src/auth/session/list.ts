// A person's sessions, for a page of your own: list them and end any. They are deleted without being
// opened (only their own browser's cookie could), so their refresh tokens are not revoked; nobody can
// use those any more either.
import type { Request } from 'express';
import type { Context } from '../context.ts';
import { storeFailure } from '../errors.ts';
import type { User } from '../sign-in/user.ts';
import type { SessionSummary } from './records.ts';
import { currentUser } from './session.ts';

export interface OwnSession extends SessionSummary {
  /** This is the session of the request. */
  current: boolean;
}

/** Whether this is the session of the request; ending it is a sign-out. */
const isCurrent = (req: Request, key: string) => key === req.authSession?.stored?.key;

/** The keys of a person's sessions. @throws SignInError `store_unavailable` */
export async function keysOfPerson({ records, store }: Context, user: User): Promise<string[]> {
  const found = store.index.ofPerson(user).map((person) => records.keysBy('person', person));
  return (await Promise.all(found).catch(storeFailure)).flat();
}

/** The sessions of whoever is signed in, by what the records index of them. */
export function ownSessions(context: Context) {
  const { records, store, onEvent } = context;
  return {
    /** The signed-in user's sessions, this one first. @throws SignInError `store_unavailable` */
    async list(req: Request): Promise<OwnSession[]> {
      const people = store.index.ofPerson(currentUser(req));
      const lists = people.map((person) => records.sessionsOf(person));
      const sessions = (await Promise.all(lists).catch(storeFailure)).flat();
      return sessions
        .map((summary) => ({ ...summary, current: isCurrent(req, summary.key) }))
        .toSorted((a, b) => Number(b.current) - Number(a.current) || b.lastSeenAt - a.lastSeenAt);
    },
    /**
     * Ends one of them, at once on every instance; false if it was not theirs or is gone.
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
