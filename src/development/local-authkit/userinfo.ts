// UserInfo (OIDC Core §5.3) for AuthKit's access tokens; oidc-provider would refuse any token that
// has an audience. AuthKit's error is `{"error":"unauthorized"}`, not RFC 6750's `invalid_token`.

import type { RequestHandler } from 'express';
import { verifyAccessToken } from './access-token.ts';
import type { Environment } from './environment.ts';
import { claimsOf } from './people.ts';

/** Returns the handler of GET and POST /oauth2/userinfo. */
export function userinfo(environment: Environment): RequestHandler {
  return async (req, res) => {
    const [, token = ''] = /^Bearer (\S+)$/i.exec(req.get('authorization') ?? '') ?? [];
    const claims = await verifyAccessToken(environment, token);
    const person = environment.findPerson(claims?.sub);
    res.set('cache-control', 'no-store');
    if (!claims || !person) {
      res.status(401).json({ error: 'unauthorized' });
      return;
    }
    const granted = String(claims['scope']).split(' ');
    const { sub, email, email_verified, ...profile } = claimsOf(person);
    res.json({
      sub,
      ...(granted.includes('profile') ? profile : {}),
      ...(granted.includes('email') ? { email, email_verified } : {}),
    });
  };
}
