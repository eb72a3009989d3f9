// Guards that check what a verified token grants. Use them after requireAccessToken.
import type { RequestHandler } from 'express';
import { BearerError } from './errors.ts';
import { currentAccessToken } from './require-token.ts';

/**
 * Takes scopes; the token must have all of them (RFC 6750 §3.1).
 * @throws BearerError `insufficient_scope`, with these scopes in the challenge
 */
export function requireScope(...scopes: string[]): RequestHandler {
  const scope = scopes.join(' ');
  return (req, _res, next) => {
    const granted = currentAccessToken(req).scopes;
    if (!scopes.every((one) => granted.includes(one)))
      throw new BearerError('insufficient_scope', 'The token lacks a scope', { scope });
    next();
  };
}

/**
 * Takes organization ids; the token must be for one of them. Without ids, any organization will do.
 * @throws BearerError `organization_required`
 */
export function requireOrganization(...orgIds: string[]): RequestHandler {
  return (req, _res, next) => {
    const { orgId } = currentAccessToken(req);
    if (orgId === undefined || (orgIds.length > 0 && !orgIds.includes(orgId))) {
      const message = 'A token for an organization is required';
      throw new BearerError('organization_required', message);
    }
    next();
  };
}
