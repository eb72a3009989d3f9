// Introspection (RFC 7662). In AuthKit's introspection response, `token_type` is `access_token` or
// `refresh_token`, not `Bearer`; a token that the caller may not introspect is `{"active":false}`.

import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Provider } from 'oidc-provider';
import { verifyAccessToken } from './access-token.ts';
import type { Application } from './applications.ts';
import { authenticateClient, formField, refuseClient } from './client-authentication.ts';
import type { Environment } from './environment.ts';

/** Returns the handler of POST /oauth2/introspection; it expects a parsed form. */
export function introspection(environment: Environment, provider: () => Provider): RequestHandler {
  return async (req, res) => {
    res.set('cache-control', 'no-store');
    const caller = authenticateClient(environment, req);
    // A Public application has no secret, so anyone could introspect in its name.
    if (!caller || caller.secrets.length === 0) return refuseClient(res);
    const token = formField(req, 'token');
    if (token === undefined) {
      res.status(400).json({ error: 'invalid_request', error_description: 'token is missing' });
      return;
    }
    const found =
      (await describeAccessToken(environment, token)) ??
      (await describeRefreshToken(environment, provider(), token));
    const owner = environment.findApplication(found?.client_id);
    res.json(
      found && mayIntrospect(caller, owner) ? { active: true, ...found } : { active: false },
    );
  };
}

/** An application's own tokens; a first-party application also sees those of Public ones. */
function mayIntrospect(caller: Application, owner: Application | undefined): boolean {
  if (!owner) return false;
  return caller.clientId === owner.clientId || (caller.isFirstParty && owner.secrets.length === 0);
}

async function describeAccessToken(environment: Environment, token: string) {
  const claims = await verifyAccessToken(environment, token);
  if (!claims) return undefined;
  const { scope: _, ...known } = claims;
  return { ...known, token_type: 'access_token' };
}

async function describeRefreshToken(environment: Environment, provider: Provider, token: string) {
  const refreshToken = await provider.RefreshToken.find(token);
  if (!refreshToken?.isValid || !(await provider.Grant.find(refreshToken.grantId ?? ''))) {
    return undefined;
  }
  const { orgId, consentId } =
    environment.state.authorizations.get(refreshToken.grantId ?? '') ?? {};
  return {
    client_id: refreshToken.clientId,
    iss: environment.issuer,
    aud: environment.clientId,
    sub: refreshToken.accountId,
    org_id: orgId,
    sid: consentId,
    // The record has no id but the token itself, so the response shows only a digest of it.
    jti: createHash('sha256').update(token).digest('hex').slice(0, 26),
    iat: refreshToken.iat,
    token_type: 'refresh_token',
  };
}
