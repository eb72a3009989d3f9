// Is the token still active? Asks AuthKit on each request: use where a signed-out user must be out
// at once, not when the access token expires. RFC 7662: https://www.rfc-editor.org/rfc/rfc7662
import { hash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { fetchJson, UpstreamError } from './discovery.ts';
import type { HttpOptions } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import type { AccessToken } from './request.ts';
import type { Issuer } from './issuer.ts';
import { readBearerToken } from './read-token.ts';
import { currentAccessToken } from './require-token.ts';

const MOST_TRUSTED = 10_000;

export interface IntrospectionOptions extends HttpOptions {
  issuer: Issuer;
  clientId: string;
  clientSecret: string;
  /** AuthKit documents `body` (client_secret_post), the default. */
  clientAuthentication?: 'body' | 'basic';
  /** How long an active answer is trusted; default 0: not at all. A revoked token lives on as long. */
  cacheSeconds?: number;
  log?: (event: BearerEvent) => void;
}

/**
 * Whether the issuer calls this token active and means the same token.
 * @throws BearerError `introspection_unreachable` when it cannot tell
 */
export type Introspect = (token: string, accessToken: AccessToken) => Promise<boolean>;

/** Takes how to reach and authenticate at the endpoint that discovery names (RFC 7662 §2.1). */
export function createIntrospection(options: IntrospectionOptions): Introspect {
  const { cacheSeconds = 0, log } = options;
  const trusted = new Map<string, number>();
  return async (token, accessToken) => {
    const digest = hash('sha256', token, 'base64url');
    if (cacheSeconds > 0 && (trusted.get(digest) ?? 0) > Date.now()) return true;
    trusted.delete(digest);
    const answer = await ask(token, options).catch((cause: unknown) => {
      const reason = cause instanceof UpstreamError ? `${cause.code}: ${cause.message}` : 'keys';
      log?.({ event: 'introspection_failed', reason });
      // Fails closed: without an answer nobody gets in, and nobody is told the token is bad.
      const message = 'The issuer cannot be asked whether the token is active';
      throw new BearerError('introspection_unreachable', message, { cause });
    });
    const isActive = answer['active'] === true && isAbout(answer, accessToken);
    if (isActive && cacheSeconds > 0) {
      const [oldest] = trusted.keys();
      if (oldest !== undefined && trusted.size >= MOST_TRUSTED) trusted.delete(oldest);
      trusted.set(digest, Math.min(Date.now() + cacheSeconds * 1000, accessToken.expiresAt * 1000));
    }
    return isActive;
  };
}

async function ask(token: string, options: IntrospectionOptions) {
  const { issuer, clientId, clientSecret, clientAuthentication = 'body' } = options;
  const { introspectionEndpoint: endpoint } = await issuer.metadata();
  if (endpoint === undefined) {
    throw new UpstreamError('bad_answer', 'discovery names no introspection_endpoint');
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
  const answer = await fetchJson(endpoint, { method: 'POST', body, headers }, options);
  if (typeof answer['active'] === 'boolean') return answer;
  throw new UpstreamError('bad_answer', 'the answer does not say whether the token is active');
}

function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

// An answer mixed up on the way (a cache, a proxy, a bug) must not let one user in as another. AuthKit
// leaves members out, and §2.2 makes all but `active` optional: absent ones are not compared.
function isAbout(answer: Record<string, unknown>, { claims, clientId, sub }: AccessToken): boolean {
  const { token_type: type = 'access_token' } = answer;
  if (!/^(access_token|bearer)$/i.test(String(type))) return false;
  const { iss, aud, jti } = claims;
  const same = Object.entries({ iss, sub, jti, client_id: clientId }).every(
    ([name, ours]) => answer[name] === undefined || ours === undefined || answer[name] === ours,
  );
  const audiences = answer['aud'] === undefined ? aud : answer['aud'];
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
