// Reads the token from the Authorization header, the only place accepted (RFC 6750 §2.1).
import type { Request } from 'express';
import { BearerError } from './errors.ts';

const SCHEME = /^bearer(?: +|$)/i;
const SYNTAX = /^[\w\-.~+/]+=*$/;
const MAX_LENGTH = 8_192;

/**
 * Returns what follows `Bearer` in the Authorization header, not validated yet.
 * @throws BearerError `missing_token`, `invalid_request`; `invalid_token` if it is too long
 */
export function readBearerToken(req: Request): string {
  const value = authorizationOf(req.rawHeaders);
  if (hasTokenElsewhere(req, value))
    throw new BearerError('invalid_request', 'Send the token in the Authorization header only');
  const prefix = SCHEME.exec(value ?? '')?.[0];
  if (value === undefined || prefix === undefined) {
    // `Basic x, Bearer y`: a proxy that joins headers must not decide which one counts.
    if (/(^|,)\s*bearer(\s|$)/i.test(value ?? '')) throw malformed();
    throw new BearerError('missing_token', 'Send an access token: Authorization: Bearer <token>');
  }
  if (value.length > MAX_LENGTH)
    throw new BearerError('invalid_token', 'The access token is too long');
  return value.slice(prefix.length);
}

/**
 * Refuses anything but one token (RFC 6750 §2.1). Separate from reading, so that a remembered token
 * is not scanned on each request.
 * @throws BearerError `invalid_request`
 */
export function checkSyntax(token: string): void {
  if (!SYNTAX.test(token)) throw malformed();
}

const malformed = () => new BearerError('invalid_request', 'Malformed Authorization header');

// Node keeps the first of several Authorization headers, another server may keep the last. The raw
// headers hold them all, so that such requests are refused.
function authorizationOf(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (found !== undefined)
      throw new BearerError('invalid_request', 'More than one Authorization header');
    found = rawHeaders[i + 1];
  }
  return found;
}

// Refuses tokens in the query, since URLs end up in logs and histories, and in forms, since a page
// of another site can post one (RFC 6750 §5.3). The body is not parsed for this: any form without
// an Authorization header is refused. GET and HEAD carry no form (§2.2), even if a client sends a
// form's Content-Type with them.
function hasTokenElsewhere(req: Request, header: string | undefined): boolean {
  const query = req.url.indexOf('?');
  if (query !== -1 && new URLSearchParams(req.url.slice(query)).has('access_token')) return true;
  const body: unknown = req.body;
  if (typeof body === 'object' && body !== null && 'access_token' in body) return true;
  if (header !== undefined || req.method === 'GET' || req.method === 'HEAD') return false;
  const { 'content-type': type = '', 'content-length': length } = req.headers;
  return /^application\/x-www-form-urlencoded/i.test(type) && length !== '0';
}
