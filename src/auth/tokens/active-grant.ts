// For pages that cannot trust even a five-minute-old access token: asks AuthKit whether the grant
// is still active (RFC 7662). It introspects the refresh token, since an access token may stay active
// until it expires.
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
 * @throws SignInError `introspection_unavailable` for a Public application, or if the issuer does
 * not offer introspection
 * @throws SignInError `issuer_unreachable` and the like if there is no usable response
 */
export async function isGrantActive(context: Context, id: SessionId, user: User): Promise<boolean> {
  const { store, records } = context;
  const record = await store.readTokens(id);
  if (!record) return false;
  if (await introspect(context, record.tokens, user)) return true;
  // A refresh in progress may have spent this token and not yet saved the next one. While we hold
  // the lease, no refresh is in progress, so the store has the current token.
  return withLease(records, refreshLease(id.key), async () => {
    const latest = await store.readTokens(id);
    const isNewer = latest !== undefined && latest.version > record.version;
    return isNewer && introspect(context, latest.tokens, user);
  });
}

async function introspect(context: Context, { refreshToken, accessToken }: TokenSet, user: User) {
  const { clientId, issuer } = context;
  const { config, metadata, authenticatedBy } = await issuer.whenDiscovered();
  if (authenticatedBy === 'none' || !metadata.introspection_endpoint)
    throw new SignInError('introspection_unavailable');
  const hint = { token_type_hint: refreshToken === undefined ? 'access_token' : 'refresh_token' };
  const response = await tokenIntrospection(config, refreshToken ?? accessToken, hint).catch(fail);
  // Members that AuthKit omits are not compared; those it sends must match this grant.
  const { active, client_id: grantClientId = clientId, sub = user.sub } = response;
  return active && grantClientId === clientId && sub === user.sub;
}

const fail = (cause: unknown): never => {
  throw toSignInError(cause);
};
