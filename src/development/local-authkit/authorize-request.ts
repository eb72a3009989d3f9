// Keeps the parameters of an authorization request that AuthKit is known to accept and drops the
// rest, because unknown parameters must be ignored (RFC 6749 §3.1): oidc-provider would act on
// max_age, claims and id_token_hint, none of which AuthKit documents.

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

function knownPrompts(value: string): string {
  return value
    .split(' ')
    .filter((prompt) => PROMPTS.has(prompt))
    .join(' ');
}

/** Errors about another mode than `query` come by query too, not by the refused mode. */
function knownMode(name: string, value: string): string {
  return name === 'response_mode' && value !== 'query' ? 'unsupported' : value;
}

/** Rewrites the query of GET /oauth2/authorize. */
export const keepDocumentedParameters: RequestHandler = (req, _res, next) => {
  const { pathname, searchParams } = new URL(req.url, 'http://localhost');
  const kept = new URLSearchParams();
  for (const [name, value] of searchParams) {
    const known = name === 'prompt' ? knownPrompts(value) : knownMode(name, value);
    if (PARAMETERS.has(name) && known !== '') kept.append(name, known);
  }
  req.url = `${pathname}?${kept.toString()}`;
  next();
};
