// For the one page where five minutes of an old access token are too long: asks AuthKit whether the
// grant still stands (RFC 7662). The refresh token is asked about, since a revoked grant takes that
// away first. Fails closed.
import type { Request, RequestHandler, Response } from 'express';
import { tokenIntrospection, type IntrospectionResponse } from 'openid-client';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { toSignInError } from './failure.ts';
import { askToSignIn } from './guards.ts';
import { refreshLease, withLease } from './lease.ts';
import type { SessionRecords } from './records.ts';
import type { RelyingParty } from './relying-party.ts';
import { endSession } from './session.ts';
import type { SessionId } from './session-cookie.ts';
import type { SessionSettings } from './session-settings.ts';
import type { SealedSessionStore } from './session-store.ts';
import type { HeldTokens } from './token-record.ts';
import { isExpired } from './tokens.ts';
import type { User } from './user.ts';

const MOST_REMEMBERED = 1_000;

interface Parts {
  relyingParty: RelyingParty;
  store: SealedSessionStore;
  records: SessionRecords;
  session: SessionSettings;
  onEvent: SignInEventListener;
}

/**
 * A guard for after `requireLogin`. An active answer is reused for `cacheSeconds`; an inactive grant
 * ends the session.
 *
 * @throws SignInError `introspection_unavailable` for a Public application or an issuer without it
 * @throws SignInError `issuer_unreachable` and the like: no answer is no permission
 */
export function createRequireActiveSession(parts: Parts, cacheSeconds: number): RequestHandler {
  const { relyingParty, store, records, session, onEvent } = parts;
  const activeUntil = new Map<string, number>();

  async function isActive({ sid, key }: SessionId, user: User): Promise<boolean> {
    const held = await store.readTokens(sid);
    if (!held) return false;
    if (await introspect(relyingParty, held, user)) return true;
    // An exchange on its way has spent the token we asked about and not yet saved the next one.
    // Under the lease there is none: what the store holds then is the last word.
    const work = async () => {
      const now = await store.readTokens(sid);
      return now !== undefined && now.version > held.version && introspect(relyingParty, now, user);
    };
    return withLease(records, refreshLease(key), () => Promise.resolve(undefined), work);
  }

  async function end(req: Request, res: Response, { sub }: User): Promise<void> {
    await endSession(req, res, session);
    onEvent({ event: 'session_ended', sub, reason: 'grant_ended' });
    askToSignIn(req, res);
  }

  return async (req, res, next) => {
    const { user, storedSession } = req;
    if (!user || !storedSession) return askToSignIn(req, res);
    // AuthKit calls an expired access token inactive, however well the grant is.
    if (req.grant && !req.grant.renewable && isExpired(req.grant)) return askToSignIn(req, res);
    const { key } = storedSession;
    if ((activeUntil.get(key) ?? 0) > Date.now()) return next();
    activeUntil.delete(key);
    if (!(await isActive(storedSession, user))) return end(req, res, user);
    if (activeUntil.size >= MOST_REMEMBERED) activeUntil.clear();
    activeUntil.set(key, Date.now() + cacheSeconds * 1000);
    return next();
  };
}

async function introspect(relyingParty: RelyingParty, { tokens }: HeldTokens, user: User) {
  const { afterwards: config } = await relyingParty.config();
  const { client_id: clientId, client_secret: secret } = config.clientMetadata();
  const available = secret !== undefined && config.serverMetadata().introspection_endpoint;
  if (!available) throw new SignInError('introspection_unavailable');
  const [token, hint] =
    tokens.refreshToken === undefined
      ? [tokens.accessToken, 'access_token']
      : [tokens.refreshToken, 'refresh_token'];
  let answer: IntrospectionResponse;
  try {
    answer = await tokenIntrospection(config, token, { token_type_hint: hint });
  } catch (cause) {
    throw toSignInError(cause);
  }
  // Members that AuthKit leaves out are not compared; those it sends must be about this grant.
  return (
    answer.active &&
    (answer.client_id === undefined || answer.client_id === clientId) &&
    (answer.sub === undefined || answer.sub === user.sub)
  );
}
