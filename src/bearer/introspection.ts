// Introspects the token on each request, for APIs that must refuse a signed-out user at once rather
// than when the access token expires. RFC 7662: https://www.rfc-editor.org/rfc/rfc7662
// Concurrent requests with the same token share one introspection request. An active result is not
// cached; an inactive one is kept for two seconds, so that retries put no load on the issuer.
import { hash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { fetchJson, UpstreamError } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import type { Issuer } from './issuer.ts';
import { readBearerToken } from './read-token.ts';
import type { AccessToken } from './request.ts';
import { currentAccessToken } from './require-token.ts';

const INACTIVE_TTL_MS = 2_000;
const MAX_RESULTS = 1_000;

export interface IntrospectionOptions {
  issuer: Issuer;
  clientId: string;
  clientSecret: string;
  /** Default: as the metadata lists, client_secret_post if it lists both. */
  clientAuthentication?: 'client_secret_post' | 'client_secret_basic';
  log?: (event: BearerEvent) => void;
}

/**
 * Resolves to true if the issuer's response is about this token and reports it active.
 * @throws BearerError `introspection_unreachable` when the issuer gives no usable response
 */
export type Introspect = (token: string, accessToken: AccessToken) => Promise<boolean>;

/** Takes the issuer and the client's credentials for its introspection endpoint (RFC 7662 §2.1). */
export function createIntrospection(options: IntrospectionOptions): Introspect {
  const results = new Map<string, { active: Promise<boolean>; until: number }>();
  return async (token, accessToken) => {
    // A memory dump shows digests, not tokens.
    const key = hash('sha256', token, 'base64');
    const known = results.get(key);
    // The monotonic clock: setting the wall clock back would keep a token refused for longer.
    if (known !== undefined && performance.now() < known.until) return known.active;
    if (results.size >= MAX_RESULTS) results.clear();
    const result = { active: isActive(token, accessToken, options), until: Infinity };
    results.set(key, result);
    const isInactive = !(await result.active.catch(() => true));
    if (isInactive) result.until = performance.now() + INACTIVE_TTL_MS;
    else results.delete(key);
    return result.active;
  };
}

async function isActive(token: string, accessToken: AccessToken, options: IntrospectionOptions) {
  const response = await fetchIntrospection(token, options).catch((cause: unknown) => {
    const reason = cause instanceof UpstreamError ? `${cause.code}: ${cause.message}` : 'keys';
    options.log?.({ event: 'introspection_failed', reason });
    // Fails closed: without a response, the request is refused, but not because of its token.
    const message = 'Token introspection at the issuer failed';
    throw new BearerError('introspection_unreachable', message, { cause });
  });
  return response['active'] === true && matches(response, accessToken);
}

async function fetchIntrospection(token: string, options: IntrospectionOptions) {
  const { issuer, clientId, clientSecret } = options;
  const { introspectionEndpoint: endpoint, isBasicOnly } = await issuer.metadata();
  if (endpoint === undefined)
    throw new UpstreamError('bad_response', 'the metadata has no introspection_endpoint');
  const body = new URLSearchParams({ token, token_type_hint: 'access_token' });
  const headers = new Headers({ accept: 'application/json' });
  const preferred = isBasicOnly ? 'client_secret_basic' : 'client_secret_post';
  if ((options.clientAuthentication ?? preferred) === 'client_secret_basic') {
    // Form-encoded first, or a colon in the id would cut it short (RFC 6749 §2.3.1).
    const [id, secret] = [clientId, clientSecret].map(formEncode);
    headers.set('authorization', `Basic ${btoa(`${id}:${secret}`)}`);
  } else {
    body.set('client_id', clientId);
    body.set('client_secret', clientSecret);
  }
  const response = await fetchJson(endpoint, { method: 'POST', body, headers }, issuer.fetch);
  if (typeof response['active'] === 'boolean') return response;
  throw new UpstreamError('bad_response', 'the response does not say whether the token is active');
}

const formEncode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);

// A response mixed up by a cache, a proxy or a bug must not let one user in as another. All members
// but `active` are optional (§2.2), and AuthKit omits some: absent members are not compared.
function matches(body: Record<string, unknown>, { claims, clientId, sub }: AccessToken): boolean {
  const { token_type: type = 'access_token' } = body;
  if (!/^(access_token|bearer)$/i.test(String(type))) return false;
  const { iss, aud, jti } = claims;
  const same = Object.entries({ iss, sub, jti, client_id: clientId }).every(
    ([name, own]) => body[name] === undefined || own === undefined || body[name] === own,
  );
  const { aud: audiences = aud } = body;
  return same && [aud].flat().some((one) => [audiences].flat().includes(one));
}

/**
 * A guard for use after `requireAccessToken`: requires that the token is still active.
 * @throws BearerError `invalid_token` when it is not; `introspection_unreachable`
 */
export function requireActiveToken(introspect: Introspect): RequestHandler {
  return async (req, _res, next) => {
    if (!(await introspect(readBearerToken(req), currentAccessToken(req))))
      throw new BearerError('invalid_token', 'The access token is no longer active');
    next();
  };
}
