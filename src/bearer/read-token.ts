// Where the token of a request may be: one Authorization header (RFC 6750 §2.1), nothing else.
import type { Request } from 'express';
import { BearerError } from './errors.ts';

const SCHEME = /^bearer(?: +|$)/i;
const SYNTAX = /^[\w\-.~+/]+=*$/;
const MAX_LENGTH = 8_192;

/**
 * What stands behind `Bearer` in the header of a request, not looked at yet.
 * @throws BearerError `missing_token`, `invalid_request`; `invalid_token` where it is too long
 */
export function readBearerToken(req: Request): string {
  const value = authorization(req.rawHeaders);
  if (hasTokenElsewhere(req, value)) {
    throw new BearerError('invalid_request', 'Send the token in the Authorization header only');
  }
  const prefix = SCHEME.exec(value ?? '')?.[0];
  if (value === undefined || prefix === undefined) {
    // `Basic x, Bearer y`: a proxy that joins headers must not choose which one counts.
    if (/(^|,)\s*bearer(\s|$)/i.test(value ?? '')) throw malformed();
    throw new BearerError('missing_token', 'Send an access token: Authorization: Bearer <token>');
  }
  if (value.length > MAX_LENGTH) {
    throw new BearerError('invalid_token', 'The access token is too long');
  }
  return value.slice(prefix.length);
}

/**
 * Refuses what is not one token (RFC 6750 §2.1). Apart from reading it, so that a token which is
 * remembered is not scanned on each request.
 * @throws BearerError `invalid_request`
 */
export function checkSyntax(token: string): void {
  if (!SYNTAX.test(token)) throw malformed();
}

const malformed = () => new BearerError('invalid_request', 'Malformed Authorization header');

// Node keeps only the first of several Authorization headers, another server may keep the last:
// two parties that read one request differently. The raw list shows them all.
function authorization(rawHeaders: readonly string[]): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (found !== undefined) {
      throw new BearerError('invalid_request', 'More than one Authorization header');
    }
    found = rawHeaders[i + 1];
  }
  return found;
}

// URLs end up in logs and histories, and forms are what cross-site pages can post (RFC 6750 §5.3).
// The body is not read for this: a form that comes without a header is refused as it stands. No form
// comes with GET or HEAD, whatever their Content-Type says (§2.2): clients send it out of habit.
function hasTokenElsewhere(req: Request, header: string | undefined): boolean {
  const query = req.url.indexOf('?');
  if (query !== -1 && new URLSearchParams(req.url.slice(query)).has('access_token')) return true;
  const body: unknown = req.body;
  if (typeof body === 'object' && body !== null && 'access_token' in body) return true;
  if (header !== undefined || req.method === 'GET' || req.method === 'HEAD') return false;
  const { 'content-type': type = '', 'content-length': length } = req.headers;
  return /^application\/x-www-form-urlencoded/i.test(type) && length !== '0';
}
