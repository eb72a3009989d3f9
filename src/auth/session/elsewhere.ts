// Sessions that something elsewhere concerns: AuthKit reports that a user was deleted, left an
// organization, or signed out there. They are found by index keys, unopened, on every instance.
import type { Context } from '../context.ts';
import { storeFailure } from '../errors.ts';
import type { IndexKeys } from './records.ts';

/** Which sessions: of a user, of a user in one organization, or of one session at the issuer. */
export type SessionMatch =
  | { sub: string; organization?: string | undefined }
  /** The `sid` claim of the ID token (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  | { sid: string };

/**
 * Returns a function that ends the sessions that match and, with `startedBefore`, began earlier than
 * that (milliseconds since the epoch). It resolves to how many it ended. Their refresh tokens stay
 * unread, and no one can read and use them after that.
 * @throws SignInError `store_unavailable`; call it again then, since some may not have ended
 */
export function endSessions(context: Context) {
  return async (match: SessionMatch, startedBefore = Infinity): Promise<number> => {
    const keys = await findKeys(context, match, startedBefore);
    const removals = keys.map((key) => context.records.remove(key));
    return (await Promise.all(removals).catch(storeFailure)).filter(Boolean).length;
  };
}

/**
 * Returns a function that has the sessions that match refresh their tokens at their next request
 * behind a guard, unless they obtained them after `since` (milliseconds since the epoch; default:
 * now): AuthKit's response decides whether they go on, and with which organization and permissions.
 * Without a refresh token, the user has to sign in again. It resolves to how many match.
 * @throws SignInError `store_unavailable`; call it again then
 */
export function recheckSessions(context: Context) {
  return async (match: SessionMatch, since = Infinity): Promise<number> => {
    const keys = await findKeys(context, match);
    // A time in the future would have every request refresh until then.
    const at = Math.min(since, Date.now());
    await Promise.all(keys.map((key) => context.records.recheck(key, at))).catch(storeFailure);
    return keys.length;
  };
}

async function findKeys(context: Context, match: SessionMatch, startedBefore = Infinity) {
  const { records, store } = context;
  const keysBy = (index: keyof IndexKeys, indexKeys: string[]) =>
    Promise.all(indexKeys.map((indexKey) => records.keysBy(index, indexKey)));
  const indexKeys = (kind: 'organization' | 'sid', id: string) =>
    issuersOf(context).flatMap((issuer) => store.index.of(kind, issuer, id));
  const find = async () => {
    if ('sid' in match) return (await keysBy('issuerSession', indexKeys('sid', match.sid))).flat();
    const { sub, organization } = match;
    const people = issuersOf(context).flatMap((issuer) => store.index.ofPerson({ issuer, sub }));
    const lists = await Promise.all(people.map((person) => records.sessionsOf(person)));
    const keys = lists.flat().flatMap((s) => (s.startedAt < startedBefore ? [s.key] : []));
    if (organization === undefined) return keys;
    const inIt = await keysBy('organization', indexKeys('organization', organization));
    return keys.filter((key) => inIt.flat().includes(key));
  };
  return find().catch(storeFailure);
}

/** The issuer as an ID token may state it: URL adds a slash to a bare origin. */
const issuersOf = ({ issuerUrl: { href } }: Context) => [
  ...new Set([href, href.replace(/\/$/, '')]),
];
