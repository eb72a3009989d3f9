// The parameters that AuthKit adds to the redirect URI: RFC 6749 §4.1.2 and §4.1.2.1.
import type { Request } from 'express';

const PARAMETERS = ['code', 'error', 'state', 'iss', 'error_description', 'error_uri'];
// Response types and modes that were not asked for.
const FOREIGN = ['response', 'token', 'id_token'];
const MAX_LENGTH = 2_048;

/**
 * The authorization response in a callback's query; undefined if there is none, or if a parameter
 * is repeated or too long.
 * IMPORTANT: anyone can send a browser here with any query. RFC 6749 §3.1 forbids repetition: two
 * parsers could each pick another value.
 */
export function readAuthorizationResponse(req: Request): { state: string | undefined } | undefined {
  // Read as the strategy reads it; parsing the whole address would fail on a malformed one.
  const query = new URLSearchParams(req.originalUrl.split('?').slice(1).join('?'));
  const malformed = PARAMETERS.some((name) => {
    const values = query.getAll(name);
    return values.length > 1 || values.some((value) => value.length > MAX_LENGTH);
  });
  if (malformed || FOREIGN.some((name) => query.has(name))) return undefined;
  const [code, error] = [query.get('code'), query.get('error')];
  // Exactly one of the two makes a response.
  if (!code === !error) return undefined;
  return { state: query.get('state') || undefined };
}
