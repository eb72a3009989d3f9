// Is the token still active? Asks the issuer on each request: use where a signed-out user must be
// out at once, not when the access token expires. RFC 7662: https://www.rfc-editor.org/rfc/rfc7662
// Requests with one token share the question that is on its way. "Active" is forgotten with it; "not
// active" is remembered for a moment, so that a client that goes on trying is no load on the issuer.
import { hash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { fetchJson, UpstreamError } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import type { Issuer } from './issuer.ts';
import { readBearerToken } from './read-token.ts';
import type { AccessToken } from './request.ts';
import { currentAccessToken } from './require-token.ts';

const REFUSED_MS = 2_000;
const MOST_ANSWERS = 1_000;

export interface IntrospectionOptions {
  issuer: Issuer;
  clientId: string;
  clientSecret: string;
  /** AuthKit documents `body` (client_secret_post), the default. */
  clientAuthentication?: 'body' | 'basic';
  log?: (event: BearerEvent) => void;
}

/**
 * Whether the issuer calls this token active and means the same token.
 * @throws BearerError `introspection_unreachable` when it cannot tell
 */
export type Introspect = (token: string, accessToken: AccessToken) => Promise<boolean>;

/** Takes how to reach and authenticate at the endpoint that discovery names (RFC 7662 §2.1). */
export function createIntrospection(options: IntrospectionOptions): Introspect {
  const answers = new Map<string, { active: Promise<boolean>; until: number }>();
  return async (token, accessToken) => {
    // A dump of the memory shows digests, not tokens.
    const key = hash('sha256', token, 'base64');
    const known = answers.get(key);
    // By the monotonic clock: a wall clock that is set back would keep a token out for longer.
    if (known !== undefined && performance.now() < known.until) return known.active;
    if (answers.size >= MOST_ANSWERS) answers.clear();
    const answer = { active: isActive(token, accessToken, options), until: Infinity };
    answers.set(key, answer);
    const isRefused = !(await answer.active.catch(() => true));
    if (isRefused) answer.until = performance.now() + REFUSED_MS;
    else answers.delete(key);
    return answer.active;
  };
}

async function isActive(token: string, accessToken: AccessToken, options: IntrospectionOptions) {
  const response = await ask(token, options).catch((cause: unknown) => {
    const reason = cause instanceof UpstreamError ? `${cause.code}: ${cause.message}` : 'keys';
    options.log?.({ event: 'introspection_failed', reason });
    // Fails closed: without a response nobody gets in, and nobody is told the token is bad.
    const message = 'The issuer cannot be asked whether the token is active';
    throw new BearerError('introspection_unreachable', message, { cause });
  });
  return response['active'] === true && isAbout(response, accessToken);
}

async function ask(token: string, options: IntrospectionOptions) {
  const { issuer, clientId, clientSecret, clientAuthentication = 'body' } = options;
  const { introspectionEndpoint: endpoint } = await issuer.metadata();
  if (endpoint === undefined) {
    throw new UpstreamError('bad_response', 'discovery names no introspection_endpoint');
  }
  const body = new URLSearchParams({ token, token_type_hint: 'access_token' });
  const headers = new Headers({ accept: 'application/json' });
  if (clientAuthentication === 'body') {
    body.set('client_id', clientId);
    body.set('client_secret', clientSecret);
  } else {
    // Form-encoded first: a colon in the id would else move into the secret (RFC 6749 §2.3.1).
    const [id, secret] = [clientId, clientSecret].map(formEncode);
    headers.set('authorization', `Basic ${btoa(`${id}:${secret}`)}`);
  }
  const response = await fetchJson(endpoint, { method: 'POST', body, headers }, issuer.fetch);
  if (typeof response['active'] === 'boolean') return response;
  throw new UpstreamError('bad_response', 'the response does not say whether the token is active');
}

const formEncode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);

// A response mixed up on the way (a cache, a proxy, a bug) must not let one user in as another. AuthKit
// leaves members out, and §2.2 makes all but `active` optional: absent ones are not compared.
function isAbout(said: Record<string, unknown>, { claims, clientId, sub }: AccessToken): boolean {
  const { token_type: type = 'access_token' } = said;
  if (!/^(access_token|bearer)$/i.test(String(type))) return false;
  const { iss, aud, jti } = claims;
  const same = Object.entries({ iss, sub, jti, client_id: clientId }).every(
    ([name, ours]) => said[name] === undefined || ours === undefined || said[name] === ours,
  );
  const { aud: audiences = aud } = said;
  return same && [aud].flat().some((one) => [audiences].flat().includes(one));
}

/**
 * The guard for after `requireAccessToken`: the token is still active.
 * @throws BearerError `invalid_token` when it is not; `introspection_unreachable`
 */
export function requireActiveToken(introspect: Introspect): RequestHandler {
  return async (req, _res, next) => {
    if (!(await introspect(readBearerToken(req), currentAccessToken(req)))) {
      throw new BearerError('invalid_token', 'The access token is no longer active');
    }
    next();
  };
}
