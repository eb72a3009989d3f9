// Keeps of an authorization request what AuthKit documents (authkit.md section 2) and drops the
// rest, as an unknown parameter must be ignored (RFC 6749 §3.1): oidc-provider would act on
// max_age, claims or id_token_hint, which AuthKit does not promise.

import type { RequestHandler } from 'express';

const PARAMETERS = new Set([
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'nonce',
  'state',
  'code_challenge',
  'code_challenge_method',
  'resource',
  'prompt',
]);

/** Of `prompt`, sign-in again and no screen at all; anything else is accepted and ignored. */
const PROMPTS = new Set(['login', 'none']);

/** Rewrites the query of GET /oauth2/authorize. */
export const keepDocumentedParameters: RequestHandler = (req, _res, next) => {
  const { pathname, searchParams } = new URL(req.url, 'http://localhost');
  for (const [name, value] of [...searchParams]) {
    if (!PARAMETERS.has(name)) searchParams.delete(name);
    if (name === 'prompt') {
      const known = value.split(' ').filter((prompt) => PROMPTS.has(prompt));
      searchParams.delete('prompt');
      if (known.length > 0) searchParams.set('prompt', known.join(' '));
    }
  }
  req.url = `${pathname}?${searchParams.toString()}`;
  next();
};
