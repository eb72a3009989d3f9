// /api/me/active: the issuer is asked about each token, and without its answer nobody gets in.

import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  bearerErrorHandler,
  createIntrospection,
  Issuer,
  requireAccessToken,
  requireActiveToken,
} from '../../src/bearer/index.ts';
import type { BearerEvent, IntrospectionOptions } from '../../src/bearer/index.ts';
import { callWith, newApp, serve } from '../support/app/bearer-app.ts';
import type { Running } from '../support/app/bearer-app.ts';
import { restoreDeadlines, shortenDeadlines } from '../support/clock/clock.ts';
import { audience, json, startIssuer } from '../support/authkit/issuer.ts';
import type { TestIssuer } from '../support/authkit/issuer.ts';

const path = '/oauth2/introspection';
const secret = 'planted secret: +&=%';
let issuer: TestIssuer;
let api: Running;
let events: BearerEvent[];

async function start(options: Partial<IntrospectionOptions> = {}) {
  issuer = await startIssuer();
  events = [];
  const log = (event: BearerEvent) => void events.push(event);
  const client = { clientId: 'client:app', clientSecret: secret, log };
  const shared = new Issuer(issuer.url);
  const introspect = createIntrospection({ issuer: shared, ...client, ...options });
  const app = newApp();
  const guards = [requireAccessToken({ issuer: shared, audience }), requireActiveToken(introspect)];
  app.get('/', ...guards, (_req, res) => res.json({ ok: true }));
  app.use(bearerErrorHandler({ log }));
  api = await serve(app);
}

beforeEach(() => start());
afterEach(async () => {
  restoreDeadlines();
  await Promise.all([api.close(), issuer.close()]);
});

async function restart(options: Partial<IntrospectionOptions>) {
  await Promise.all([api.close(), issuer.close()]);
  await start(options);
}

const status = async (token: string) => (await callWith(api.url, token)).status;

describe('the request', () => {
  test('authenticates in the body, as AuthKit documents it', async () => {
    const token = await issuer.sign();
    expect(await status(token)).toBe(200);
    const [{ authorization, form } = { form: new URLSearchParams() }] = issuer.introspections;
    expect(authorization).toBeUndefined();
    expect(Object.fromEntries(form)).toEqual({
      token,
      token_type_hint: 'access_token',
      client_id: 'client:app',
      client_secret: secret,
    });
  });

  test('authenticates by Basic where asked to, form-encoded first', async () => {
    await restart({ clientAuthentication: 'basic' });
    expect(await status(await issuer.sign())).toBe(200);
    const [call] = issuer.introspections;
    const [scheme, credentials = ''] = call?.authorization?.split(' ') ?? [];
    expect(scheme).toBe('Basic');
    expect(Buffer.from(credentials, 'base64').toString()).toBe(
      'client%3Aapp:planted+secret%3A+%2B%26%3D%25',
    );
    expect([...(call?.form.keys() ?? [])]).toEqual(['token', 'token_type_hint']);
  });

  test('is not made for a token that is not good by itself', async () => {
    expect(await status(await issuer.sign({ aud: 'elsewhere' }))).toBe(401);
    expect(issuer.introspections).toHaveLength(0);
  });
});

describe('the answer', () => {
  const about = { client_id: 'client_cli', sub: 'user_01', aud: audience, jti: 'x' };
  const rows: [string, Record<string, unknown>, number][] = [
    ['active alone', { active: true }, 200],
    ['with AuthKit’s token_type access_token', { active: true, token_type: 'access_token' }, 200],
    ['with token_type Bearer', { active: true, token_type: 'Bearer' }, 200],
    ['with matching members', { active: true, ...about, jti: undefined }, 200],
    ['with its audience in a list', { active: true, aud: ['other', audience] }, 200],
    ['inactive', { active: false }, 401],
    ['inactive with matching members', { active: false, ...about }, 401],
    ['about a refresh token', { active: true, token_type: 'refresh_token' }, 401],
    ['about another user', { active: true, sub: 'user_02' }, 401],
    ['about another application', { active: true, client_id: 'client_other' }, 401],
    ['from another issuer', { active: true, iss: 'https://evil.example' }, 401],
    ['for another audience', { active: true, aud: 'elsewhere' }, 401],
    ['for no audience at all', { active: true, aud: [] }, 401],
    ['about another token', { active: true, jti: 'another' }, 401],
    ['with sub as null', { active: true, sub: null }, 401],
    ['with active as a text', { active: 'true' }, 503],
    ['with active as a number', { active: 1 }, 503],
    ['without active', { sub: 'user_01' }, 503],
    ['with an error', { error: 'invalid_client' }, 503],
  ];
  test.each(rows)('%s', async (_name, answer, expected) => {
    issuer.introspect = () => answer;
    const { status: got, challenge, headers } = await callWith(api.url, await issuer.sign());
    expect(got).toBe(expected);
    if (got === 401) expect(challenge).toContain('error="invalid_token"');
    if (got === 503) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('an outage', () => {
  const outages: [string, RequestListener][] = [
    ['a dropped connection', (req) => void req.socket.destroy()],
    ['no answer', () => {}],
    ['a refused client', (_req, res) => json(res, { error: 'invalid_client' }, 401)],
    ['a limit', (_req, res) => json(res, { error: 'slow_down' }, 429)],
    ['an error', (_req, res) => json(res, { active: true }, 500)],
    ['a redirect', (_req, res) => res.writeHead(307, { location: '/elsewhere' }).end()],
    ['HTML', (_req, res) => res.end('<!doctype html>')],
    ['a megabyte', (_req, res) => json(res, { active: true, x: 'x'.repeat(1024 * 1024) })],
    [
      'a cut answer',
      (_req, res) => res.writeHead(200, { 'content-length': 99 }).end('{"active":true'),
    ],
  ];
  test.each(outages)('as %s lets nobody in: 503 with Retry-After', async (_name, listener) => {
    shortenDeadlines();
    issuer.answer(path, listener);
    const answer = await callWith(api.url, await issuer.sign());
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.challenge).toBeUndefined();
    expect(issuer.hits.get('/elsewhere')).toBeUndefined();
    expect(events).toContainEqual({
      event: 'introspection_failed',
      reason: expect.stringMatching(/^(unreachable|bad_response): /),
    });
    expect(JSON.stringify([answer, events])).not.toContain('planted');
  });

  test('of an endpoint that discovery does not name is one as well', async () => {
    issuer.answer('/.well-known/openid-configuration', (_req, res) =>
      json(res, { issuer: issuer.url, jwks_uri: `${issuer.url}/oauth2/jwks` }),
    );
    expect(await status(await issuer.sign())).toBe(503);
  });

  test('that comes and goes under load gives no wrong answer', async () => {
    let count = 0;
    issuer.introspect = (claims) => {
      count += 1;
      const answer = { active: claims.sub !== 'user_revoked', ...claims };
      return count % 3 === 0 ? { error: 'server_error' } : answer;
    };
    // Each token is another one: none of them shares an answer.
    const calls = Array.from({ length: 200 }, async (_, i) =>
      status(await issuer.sign({ jti: String(i), ...(i % 2 === 1 && { sub: 'user_revoked' }) })),
    );
    const statuses = await Promise.all(calls);
    expect(new Set(statuses.filter((_, i) => i % 2 === 0))).toEqual(new Set([200, 503]));
    expect(new Set(statuses.filter((_, i) => i % 2 === 1))).toEqual(new Set([401, 503]));
    expect(count).toBe(200);
  });
});
