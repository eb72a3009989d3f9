// Each access token is introspected, and none is accepted without the issuer's response.

import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { callWith } from '../support/app/bearer-app.ts';
import {
  clientSecret,
  introspectionPath,
  startIntrospectingApi,
} from '../support/app/introspecting-api.ts';
import type { IntrospectingApi } from '../support/app/introspecting-api.ts';
import { restoreDeadlines, shortenDeadlines } from '../support/clock/clock.ts';
import { audience, json } from '../support/authkit/issuer.ts';

const POST = 'client_secret_post';
const BASIC = 'client_secret_basic';
let api: IntrospectingApi;

beforeEach(async () => {
  api = await startIntrospectingApi();
});
afterEach(async () => {
  restoreDeadlines();
  await api.close();
});

/** Has the metadata list these methods of client authentication. */
const listing = (methods: Record<string, readonly string[]>) =>
  api.issuer.respondAt('/.well-known/openid-configuration', (_req, res) =>
    json(res, {
      issuer: api.issuer.url,
      jwks_uri: `${api.issuer.url}/oauth2/jwks`,
      introspection_endpoint: `${api.issuer.url}${introspectionPath}`,
      ...methods,
    }),
  );

describe('the introspection request', () => {
  test('authenticates in the body, as AuthKit lists it', async () => {
    const token = await api.issuer.sign();
    expect(await api.status(token)).toBe(200);
    const [{ authorization, form } = { form: new URLSearchParams() }] = api.issuer.introspections;
    expect(authorization).toBeUndefined();
    expect(Object.fromEntries(form)).toEqual({
      token,
      token_type_hint: 'access_token',
      client_id: 'client:app',
      client_secret: clientSecret,
    });
  });

  test.each<[string, Record<string, readonly string[]>, boolean]>([
    ['nothing', {}, true],
    ['Basic', { token_endpoint_auth_methods_supported: [BASIC, 'private_key_jwt'] }, true],
    ['the body', { token_endpoint_auth_methods_supported: [POST] }, false],
    [
      'Basic for this endpoint',
      {
        token_endpoint_auth_methods_supported: [POST],
        introspection_endpoint_auth_methods_supported: [BASIC],
      },
      true,
    ],
  ])('authenticates as the metadata lists: %s', async (_, methods, isBasic) => {
    listing(methods);
    expect(await api.status(await api.issuer.sign())).toBe(200);
    const [call] = api.issuer.introspections;
    expect(call?.authorization !== undefined).toBe(isBasic);
    expect(call?.form.has('client_secret')).toBe(!isBasic);
  });

  test('authenticates by Basic when configured, form-encoded first', async () => {
    await api.close();
    api = await startIntrospectingApi({ clientAuthentication: BASIC });
    listing({ token_endpoint_auth_methods_supported: [POST] });
    expect(await api.status(await api.issuer.sign())).toBe(200);
    const [call] = api.issuer.introspections;
    const [scheme, credentials = ''] = call?.authorization?.split(' ') ?? [];
    expect(scheme).toBe('Basic');
    expect(Buffer.from(credentials, 'base64').toString()).toBe(
      'client%3Aapp:planted+secret%3A+%2B%26%3D%25',
    );
    expect([...(call?.form.keys() ?? [])]).toEqual(['token', 'token_type_hint']);
  });

  test('is not sent for a token that fails verification', async () => {
    expect(await api.status(await api.issuer.sign({ aud: 'elsewhere' }))).toBe(401);
    expect(api.issuer.introspections).toHaveLength(0);
  });
});

describe('an introspection response', () => {
  const about = { client_id: 'client_cli', sub: 'user_01', aud: audience, jti: 'x' };
  const rows: [name: string, status: number, response: Record<string, unknown>][] = [
    ['with active alone', 200, { active: true }],
    ['with AuthKit’s token_type access_token', 200, { active: true, token_type: 'access_token' }],
    ['with token_type Bearer', 200, { active: true, token_type: 'Bearer' }],
    ['with matching members', 200, { active: true, ...about, jti: undefined }],
    ['with its audience in a list', 200, { active: true, aud: ['other', audience] }],
    ['with active: false', 401, { active: false }],
    ['with active: false and matching members', 401, { active: false, ...about, jti: undefined }],
    ['about a refresh token', 401, { active: true, token_type: 'refresh_token' }],
    ['about another user', 401, { active: true, sub: 'user_02' }],
    ['about another application', 401, { active: true, client_id: 'client_other' }],
    ['from another issuer', 401, { active: true, iss: 'https://evil.example' }],
    ['for another audience', 401, { active: true, aud: 'elsewhere' }],
    ['for no audience at all', 401, { active: true, aud: [] }],
    ['about another token', 401, { active: true, jti: 'another' }],
    ['with sub as null', 401, { active: true, sub: null }],
    ['with active as a string', 503, { active: 'true' }],
    ['with active as a number', 503, { active: 1 }],
    ['without active', 503, { sub: 'user_01' }],
    ['with an error', 503, { error: 'invalid_client' }],
  ];
  test.each(rows)('%s gives %i', async (_name, expected, response) => {
    api.issuer.introspect = () => response;
    const { status, challenge, headers } = await callWith(api.url, await api.issuer.sign());
    expect(status).toBe(expected);
    if (status === 401) expect(challenge).toContain('error="invalid_token"');
    if (status === 503) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('a failed introspection', () => {
  const outages: [string, RequestListener][] = [
    ['a dropped connection', (req) => void req.socket.destroy()],
    ['no response', () => {}],
    ['a refusal of the client', (_req, res) => json(res, { error: 'invalid_client' }, 401)],
    ['a rate limit', (_req, res) => json(res, { error: 'slow_down' }, 429)],
    ['a server error', (_req, res) => json(res, { active: true }, 500)],
    ['a redirect', (_req, res) => res.writeHead(307, { location: '/elsewhere' }).end()],
    ['HTML', (_req, res) => res.end('<!doctype html>')],
    ['a megabyte of JSON', (_req, res) => json(res, { active: true, x: 'x'.repeat(1024 * 1024) })],
    [
      'a truncated response',
      (_req, res) => res.writeHead(200, { 'content-length': 99 }).end('{"active":true'),
    ],
  ];
  test.each(outages)('due to %s gives 503 with Retry-After', async (_name, listener) => {
    shortenDeadlines();
    api.issuer.respondAt(introspectionPath, listener);
    const response = await callWith(api.url, await api.issuer.sign());
    expect(response.status).toBe(503);
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
    expect(response.challenge).toBeUndefined();
    expect(api.issuer.hits.get('/elsewhere')).toBeUndefined();
    expect(api.events).toContainEqual({
      event: 'introspection_failed',
      reason: expect.stringMatching(/^(unreachable|bad_response): /),
    });
    expect(JSON.stringify([response, api.events])).not.toContain('planted');
  });

  test('due to an endpoint missing from discovery gives 503', async () => {
    api.issuer.respondAt('/.well-known/openid-configuration', (_req, res) =>
      json(res, { issuer: api.issuer.url, jwks_uri: `${api.issuer.url}/oauth2/jwks` }),
    );
    expect(await api.status(await api.issuer.sign())).toBe(503);
  });

  test('gives no wrong verdict when it comes and goes under load', async () => {
    let count = 0;
    api.issuer.introspect = (claims) => {
      count += 1;
      const response = { active: claims.sub !== 'user_revoked', ...claims };
      return count % 3 === 0 ? { error: 'server_error' } : response;
    };
    // Each call has its own token, so that no two share a response.
    const calls = Array.from({ length: 200 }, async (_, i) =>
      api.status(
        await api.issuer.sign({ jti: String(i), ...(i % 2 === 1 && { sub: 'user_revoked' }) }),
      ),
    );
    const statuses = await Promise.all(calls);
    expect(new Set(statuses.filter((_, i) => i % 2 === 0))).toEqual(new Set([200, 503]));
    expect(new Set(statuses.filter((_, i) => i % 2 === 1))).toEqual(new Set([401, 503]));
    expect(count).toBe(200);
  });
});
