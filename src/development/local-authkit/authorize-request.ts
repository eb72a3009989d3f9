// Drops every authorization request parameter that AuthKit does not document, because unknown
// parameters must be ignored (RFC 6749 §3.1): oidc-provider would act on max_age, claims and
// id_token_hint.

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

/** The supported values of `prompt`; any other value is ignored. */
const PROMPTS = new Set(['login', 'none']);

function supportedPrompts(value: string): string {
  return value
    .split(' ')
    .filter((prompt) => PROMPTS.has(prompt))
    .join(' ');
}

/** Replaces a mode other than `query`, so that its error is sent by query, not in that mode. */
function normalizeMode(name: string, value: string): string {
  return name === 'response_mode' && value !== 'query' ? 'unsupported' : value;
}

/** Rewrites the query of GET /oauth2/authorize. */
export const keepDocumentedParameters: RequestHandler = (req, _res, next) => {
  const { pathname, searchParams } = new URL(req.url, 'http://localhost');
  const kept = new URLSearchParams();
  for (const [name, value] of searchParams) {
    const known = name === 'prompt' ? supportedPrompts(value) : normalizeMode(name, value);
    if (PARAMETERS.has(name) && known !== '') kept.append(name, known);
  }
  req.url = `${pathname}?${kept.toString()}`;
  next();
};
