// For the one page where five minutes of an old access token are too long: asks AuthKit whether the
// grant is still active (RFC 7662). The refresh token is asked about, since a revoked grant takes that
// away first.
import { tokenIntrospection } from 'openid-client';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import { toSignInError } from '../openid-errors.ts';
import type { SessionId } from '../session/cookie.ts';
import type { User } from '../sign-in/user.ts';
import { refreshLease, withLease } from './lease.ts';
import type { TokenSet } from './token-set.ts';

/**
 * Whether AuthKit calls the grant of this session active.
 * @throws SignInError `introspection_unavailable` for a Public application or an issuer without it
 * @throws SignInError `issuer_unreachable` and the like: it cannot be told
 */
export async function isGrantActive(context: Context, id: SessionId, user: User): Promise<boolean> {
  const { store, records } = context;
  const held = await store.readTokens(id);
  if (!held) return false;
  if (await introspect(context, held.tokens, user)) return true;
  // A refresh on its way has spent the token we asked about and not yet saved the next one. Under the
  // lease there is none: what the store holds then is the last word.
  return withLease(records, refreshLease(id.key), async () => {
    const now = await store.readTokens(id);
    const isNewer = now !== undefined && now.version > held.version;
    return isNewer && introspect(context, now.tokens, user);
  });
}

async function introspect(context: Context, { refreshToken, accessToken }: TokenSet, user: User) {
  const { clientId, issuer } = context;
  const { config } = await issuer.config();
  const isConfidential = config.clientMetadata().client_secret !== undefined;
  if (!isConfidential || !config.serverMetadata().introspection_endpoint)
    throw new SignInError('introspection_unavailable');
  const hint = { token_type_hint: refreshToken === undefined ? 'access_token' : 'refresh_token' };
  const response = await tokenIntrospection(config, refreshToken ?? accessToken, hint).catch(fail);
  // Members that AuthKit leaves out are not compared; those it sends must be about this grant.
  const { active, client_id: itsClientId = clientId, sub = user.sub } = response;
  return active && itsClientId === clientId && sub === user.sub;
}

const fail = (cause: unknown): never => {
  throw toSignInError(cause);
};
