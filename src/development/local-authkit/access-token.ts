// Access tokens. AuthKit issues JWTs without a `typ` header; `jti` is a ULID, `sid` identifies a
// consent rather than a session, and `org_id` is absent without an organization. Issued tokens are
// remembered until they expire, so that they can be revoked although they are JWTs.

import { createLocalJWKSet, errors, jwtVerify, type JWTPayload } from 'jose';
import type { AccessToken, ClientCredentials, Configuration } from 'oidc-provider';
import { BUILT_IN_SCOPES, type Environment } from './environment.ts';
import { ulid } from './identifiers.ts';
import { roleOf, type Person } from './people.ts';
import { toPublicJwk } from './signing-keys.ts';

const isOfPerson = (token: AccessToken | ClientCredentials): token is AccessToken =>
  token.kind === 'AccessToken';

/** Adds AuthKit's claims to an access token and records the token. */
export function accessTokenFormat(environment: Environment): Configuration['formats'] {
  return {
    customizers: {
      jwt(_ctx, token, parts) {
        const jti = ulid();
        const application = environment.findApplication(token.clientId);
        const issued = { sub: token.clientId ?? '', clientId: token.clientId ?? '' };
        parts.header = { typ: undefined };
        parts.payload['jti'] = jti;
        if (!isOfPerson(token)) {
          parts.payload['org_id'] = application?.organization?.id;
          environment.state.issuedTokens.set(jti, issued, token.expiration);
          return;
        }
        const { consentId = '', orgId } = environment.state.authorizations.get(token.grantId) ?? {};
        parts.payload['sid'] = consentId;
        parts.payload['org_id'] = orgId;
        addPermissions(parts.payload, environment.findPerson(token.accountId), orgId);
        const remembered = { ...issued, sub: token.accountId, consentId };
        environment.state.issuedTokens.set(jti, remembered, token.expiration);
      },
    },
  };
}

// What a JWT template of the environment would add. A permission that the role has lost is no longer
// among the scopes of a refreshed token either.
function addPermissions(payload: JWTPayload, person: Person | undefined, orgId?: string): void {
  const membership = person?.organizations.find(({ id }) => id === orgId);
  const permissions = membership?.permissions ?? [];
  const scopes = typeof payload['scope'] === 'string' ? payload['scope'].split(' ') : [];
  payload['scope'] = scopes
    .filter((scope) => Object.hasOwn(BUILT_IN_SCOPES, scope) || permissions.includes(scope))
    .join(' ');
  if (membership) Object.assign(payload, { role: roleOf(membership), permissions });
}

export interface AccessTokenClaims extends JWTPayload {
  sub: string;
  jti: string;
  client_id: string;
}

/**
 * Takes a JWT access token; returns its claims if it is signed by one of our keys, not expired, not
 * revoked and its consent is still valid; else undefined.
 */
export async function verifyAccessToken(
  { issuer, state }: Environment,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  const jwks = createLocalJWKSet({ keys: state.signingKeys.map(toPublicJwk) });
  try {
    const { payload } = await jwtVerify<AccessTokenClaims>(token, jwks, {
      issuer,
      algorithms: ['RS256'],
      requiredClaims: ['sub', 'jti', 'client_id', 'exp'],
      currentDate: new Date(Date.now()),
    });
    return state.issuedTokens.get(payload.jti) ? payload : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
