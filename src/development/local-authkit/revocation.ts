// Revocation (RFC 7009). AuthKit revokes refresh tokens only. Revoking one ends its whole rotation
// chain; access tokens already issued and the consent stay valid.

import type { RequestHandler } from 'express';
import type { Provider } from 'oidc-provider';
import { authenticateClient, formField, refuseClient } from './client-authentication.ts';
import { revokeChain } from './consents.ts';
import type { Environment } from './environment.ts';

/** Returns the handler of POST /oauth2/revoke; it expects a parsed form. */
export function revocation(environment: Environment, provider: () => Provider): RequestHandler {
  return async (req, res) => {
    res.set('cache-control', 'no-store');
    const caller = authenticateClient(environment, req);
    if (!caller) return refuseClient(res);
    const token = formField(req, 'token');
    if (token === undefined) {
      res.status(400).json({ error: 'invalid_request', error_description: 'token is missing' });
      return;
    }
    const found = await provider().RefreshToken.find(token, { ignoreExpiration: true });
    if (found && found.clientId !== caller.clientId) {
      const description = 'The token belongs to another application';
      res.status(400).json({ error: 'invalid_grant', error_description: description });
      return;
    }
    if (found?.grantId !== undefined) revokeChain(environment, found.grantId);
    // Unknown, expired and already revoked tokens get the same response (§2.2).
    res.status(200).end();
  };
}
