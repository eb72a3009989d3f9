import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import express from 'express';
import {
  bearerErrorHandler,
  Issuer,
  metadataUrlOf,
  protectedResourceMetadata,
  requireAccessToken,
} from '../../src/bearer/index.ts';
import { call, callWith, newApp, serve } from '../support/app/bearer-app.ts';
import type { Running } from '../support/app/bearer-app.ts';
import { nowPlus, resourceMetadata, startCheckedApi } from '../support/app/checked-api.ts';
import type { CheckedApi } from '../support/app/checked-api.ts';
import { audience } from '../support/authkit/issuer.ts';

let api: CheckedApi;

beforeAll(async () => {
  api = await startCheckedApi();
});
afterAll(() => api.close());
afterEach(() => {
  vi.useRealTimers();
  api.remembered.clear();
});

describe('a good access token', () => {
  test('becomes a typed req.accessToken', async () => {
    const token = await api.issuer.sign({ org_id: 'org_1' });
    const { status, body } = await callWith(`${api.url}/me`, token);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      sub: 'user_01',
      clientId: 'client_cli',
      orgId: 'org_1',
      scopes: ['openid', 'profile'],
      isMachine: false,
      claims: { sid: 'app_consent_01' },
    });
  });

  test.each(['bearer ', 'BEARER ', 'Bearer   '])('passes after the scheme "%s"', async (scheme) => {
    const headers = [['Authorization', scheme + (await api.issuer.sign())]] as const;
    expect((await call(`${api.url}/me`, { headers })).status).toBe(200);
  });

  test.each([
    ['no typ, as AuthKit sends it', {}, {}],
    ['typ JWT', {}, { typ: 'JWT' }],
    ['typ at+jwt', {}, { typ: 'at+jwt' }],
    ['typ application/at+jwt', {}, { typ: 'application/at+jwt' }],
    ['a list of audiences', { aud: ['elsewhere', audience] }, {}],
    ['only jti to tell it from an ID token', { client_id: undefined, scope: undefined }, {}],
    ['only client_id to tell it from an ID token', { jti: undefined, scope: undefined }, {}],
    ['only scope to tell it from an ID token', { jti: undefined, client_id: undefined }, {}],
  ])('passes with %s', async (_name, claims, header) => {
    const token = await api.issuer.sign(claims, header);
    expect((await callWith(`${api.url}/me`, token)).status).toBe(200);
  });

  test('passes until a few seconds after its expiry, to allow for clock skew', async () => {
    const [lately, before] = await Promise.all(
      [-2, -6].map((seconds) => api.issuer.sign({ exp: nowPlus(seconds) })),
    );
    expect((await callWith(`${api.url}/me`, String(lately))).status).toBe(200);
    expect((await callWith(`${api.url}/me`, String(before))).status).toBe(401);
  });

  test.each([{ client_id: 'client_job' }, { client_id: undefined }])(
    'of a machine sets isMachine: %o',
    async (claims) => {
      const token = await api.issuer.sign({ sub: 'client_job', sid: undefined, ...claims });
      const { body } = await callWith(`${api.url}/me`, token);
      expect(body).toMatchObject({ isMachine: true, sub: 'client_job', clientId: 'client_job' });
      expect((await callWith(`${api.url}/few-clients`, token)).status).toBe(200);
    },
  );

  test('is remembered, without the token itself in memory', async () => {
    const token = await api.issuer.sign();
    await callWith(`${api.url}/remembered`, token);
    const dump = JSON.stringify(api.remembered.dump());
    for (const part of token.split('.')) expect(dump).not.toContain(part);
    expect(dump).toContain('user_01');
  });

  test('is refused once it expires, although it is still remembered', async () => {
    const token = await api.issuer.sign({ exp: nowPlus(60) });
    expect((await callWith(`${api.url}/remembered`, token)).status).toBe(200);
    const { size } = api.remembered;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 66_000 });
    const { status, body } = await callWith(`${api.url}/remembered`, token);
    expect({ status, body }).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
    expect(api.remembered.size).toBe(size);
  });

  test('passes without a second verification once it is remembered', async () => {
    const token = await api.issuer.sign();
    await callWith(`${api.url}/remembered`, token);
    const [[key, accessToken] = []] = api.remembered.entries();
    if (!key || !accessToken) throw new Error('nothing is remembered');
    api.remembered.set(key, { ...accessToken, sub: 'from memory' });
    const { status, body } = await callWith(`${api.url}/remembered`, token);
    expect({ status, body }).toMatchObject({ status: 200, body: { sub: 'from memory' } });
  });

  test('cannot be changed by a handler for later requests', async () => {
    await callWith(`${api.url}/remembered`, await api.issuer.sign());
    const [first] = api.remembered.values();
    expect(() => Object.assign(first ?? {}, { sub: 'someone else' })).toThrow(TypeError);
    expect(() => Object.assign(first?.claims ?? {}, { sub: 'someone else' })).toThrow(TypeError);
  });
});

describe('an ID token', () => {
  const idToken = {
    aud: 'client_app',
    email: 'ada@example.com',
    client_id: undefined,
    jti: undefined,
    scope: undefined,
    sid: undefined,
  };
  const idTokens: [string, Record<string, unknown>][] = [
    ['as AuthKit issues it', {}],
    ['with a nonce', { nonce: 'n' }],
    ['with a nonce and every claim of an access token', { nonce: 'n', jti: 'j', scope: 'openid' }],
    ['with at_hash and a jti', { at_hash: 'h', jti: 'j' }],
    ['with c_hash and a scope', { c_hash: 'h', scope: 'openid' }],
    ['with a jti', { jti: 'j' }],
    ['with a jti and a session', { jti: 'j', sid: 'session_01' }],
    ['with a jti, an organization and a role', { jti: 'j', org_id: 'org_1', role: 'admin' }],
    ['with a jti and two audiences', { jti: 'j', aud: ['client_app', audience] }],
    ['with a consent and auth_time', { sid: 'app_consent_01', auth_time: 1 }],
  ];
  test.each(idTokens)('%s is refused although its audience is accepted', async (_name, claims) => {
    const token = await api.issuer.sign({ ...idToken, ...claims });
    for (const path of ['/any-audience', '/own-application']) {
      // oxlint-disable-next-line no-await-in-loop -- each call is judged by the event it leaves
      const { status, challenge } = await callWith(api.url + path, token);
      expect(status).toBe(401);
      expect(challenge).toContain('error="invalid_token"');
      expect(api.events.at(-1)).toMatchObject({ reason: 'not_an_access_token' });
    }
  });

  const ofOwnApplication: [string, Record<string, unknown>, object][] = [
    ['with every claim that AuthKit may add', { jti: 'j', sid: 'app_consent_01' }, {}],
    ['that looks like a machine', { jti: 'j', sub: 'client_app' }, {}],
    ['with auth_time', { scope: 'openid', auth_time: 1 }, {}],
    ['with acr', { client_id: 'client_app', acr: '1' }, {}],
    ['with amr', { client_id: 'client_app', amr: ['pwd'] }, {}],
    ['with azp', { scope: 'openid', azp: 'client_app' }, {}],
    ['under the typ of an access token', { nonce: 'n' }, { typ: 'at+jwt' }],
  ];
  test.each(ofOwnApplication)(
    "of the API's own application %s is refused",
    async (_name, claims, header) => {
      const token = await api.issuer.sign({ ...idToken, ...claims }, header);
      expect((await callWith(`${api.url}/own-application`, token)).status).toBe(401);
      expect(api.events.at(-1)).toMatchObject({ reason: 'not_an_access_token' });
    },
  );

  const accessTokens: [string, Record<string, unknown>, object][] = [
    ['scope', { ...idToken, scope: 'openid' }, {}],
    ['client_id', { ...idToken, client_id: 'client_app' }, {}],
    ['typ at+jwt', idToken, { typ: 'at+jwt' }],
    ['typ application/at+jwt', idToken, { typ: 'application/at+jwt' }],
    ['the environment as audience', { client_id: undefined, scope: undefined }, {}],
    ['claims of a template', { auth_time: 1, amr: ['pwd'], email: 'ada@example.com' }, {}],
  ];
  test.each(accessTokens)(
    'is distinguished from an access token by %s',
    async (_name, claims, header) => {
      const token = await api.issuer.sign(claims, header);
      expect((await callWith(`${api.url}/own-application`, token)).status).toBe(200);
    },
  );

  test.each([{ jti: 'j' }, { jti: 'j', org_id: 'org_1' }])(
    "is distinguished from a machine's older token without scope and client_id: %o",
    async (claims) => {
      const older = { client_id: undefined, scope: undefined, sid: undefined, ...claims };
      const token = await api.issuer.sign({ ...older, sub: 'client_job' });
      expect((await callWith(`${api.url}/own-application`, token)).status).toBe(200);
    },
  );

  test('is distinguished from an access token for the same audience', async () => {
    const token = await api.issuer.sign({ aud: 'client_app' });
    expect((await callWith(`${api.url}/any-audience`, token)).status).toBe(200);
  });
});

describe('a token without the required rights', () => {
  test('gets 403 with the required scopes', async () => {
    const { status, challenge, body } = await callWith(
      `${api.url}/scopes`,
      await api.issuer.sign(),
    );
    expect(status).toBe(403);
    expect(challenge).toBe(
      'Bearer realm="api", error="insufficient_scope", error_description="The token lacks a scope", ' +
        `scope="orders:read profile", resource_metadata="${resourceMetadata}"`,
    );
    expect(body).toMatchObject({ error: 'insufficient_scope' });
    const token = await api.issuer.sign({ scope: 'orders:read openid profile' });
    expect((await callWith(`${api.url}/scopes`, token)).status).toBe(200);
  });

  test.each([
    [undefined, '/organization', 403],
    ['org_2', '/organization', 200],
    ['org_2', '/organization/1', 403],
    ['org_1', '/organization/1', 200],
  ])('for organization %s at %s gets %i', async (org_id, path, status) => {
    const response = await callWith(api.url + path, await api.issuer.sign({ org_id }));
    expect(response.status).toBe(status);
    if (status === 403) expect(response.challenge).toContain('error="insufficient_scope"');
  });

  test('of an application outside clientIds is refused', async () => {
    const foreign = await api.issuer.sign({ client_id: 'client_other' });
    expect((await callWith(`${api.url}/few-clients`, foreign)).status).toBe(401);
    const unnamed = await api.issuer.sign({ client_id: undefined });
    expect((await callWith(`${api.url}/few-clients`, unnamed)).status).toBe(401);
    expect((await callWith(`${api.url}/few-clients`, await api.issuer.sign())).status).toBe(200);
  });

  test('gets 401 from a guard mounted without requireAccessToken', async () => {
    expect((await callWith(`${api.url}/unguarded`, await api.issuer.sign())).status).toBe(401);
  });
});

test.each(['http://authkit.example', 'ftp://127.0.0.1', 'authkit.example', 'javascript:alert(1)'])(
  'Issuer refuses the URL %s at start',
  (url) => {
    expect(() => new Issuer(url)).toThrow(/must be https/);
  },
);

test.each([[[]], [''], [['client_1', '']]])(
  'requireAccessToken refuses the audience %j at start',
  (named) => {
    const issuer = new Issuer('https://authkit.example');
    expect(() => requireAccessToken({ issuer, audience: named })).toThrow(TypeError);
  },
);

test('protectedResourceMetadata lists the scopes of the API (RFC 9728)', async () => {
  const resource = 'https://api.example.com';
  const issuer = new Issuer('https://authkit.example');
  const app = newApp();
  app.use(protectedResourceMetadata({ resource, issuer, scopes: ['orders:read'] }));
  const running = await serve(app);
  const { body } = await call(`${running.url}/.well-known/oauth-protected-resource`);
  expect(body).toEqual({
    resource,
    authorization_servers: ['https://authkit.example'],
    bearer_methods_supported: ['header'],
    scopes_supported: ['orders:read'],
  });
  await running.close();
});

test('protectedResourceMetadata serves a resource that ends in a slash and each URL below it', async () => {
  const resource = 'https://api.example.com/mcp/';
  const issuer = new Issuer('https://authkit.example');
  const running = await serve(newApp().use(protectedResourceMetadata({ resource, issuer })));
  const documents = `${running.url}/.well-known/oauth-protected-resource`;
  const described = (path: string) => call(documents + path).then(({ body }) => body);
  for (const path of ['/mcp/', '/mcp/tools', '/mcp/tools/', '/mcp']) {
    // oxlint-disable-next-line no-await-in-loop -- four documents
    expect(await described(path)).toMatchObject({ resource: `https://api.example.com${path}` });
  }
  expect((await call(`${documents}/mcpx`)).status).toBe(404);
  await running.close();
});

describe('the challenge to a call', () => {
  const origin = 'https://api.example.com';
  const document = `${origin}/.well-known/oauth-protected-resource`;
  let running: Running;
  beforeAll(async () => {
    const guard = requireAccessToken({ issuer: new Issuer('https://authkit.example'), audience });
    const handler = bearerErrorHandler({ resourceMetadata: metadataUrlOf(origin) });
    const orders = express.Router().get('/', guard).use(handler);
    running = await serve(newApp().use('/orders', orders).use(guard, handler));
  });
  afterAll(() => running.close());

  test.each([
    ['/orders', '/orders'],
    ['/orders/', '/orders/'],
    ['/orders?access_token=planted', '/orders'],
    ['/orders/7/lines', '/orders/7/lines'],
    ['http://evil.example/orders', '/orders'],
    ['//evil.example/orders', '//evil.example/orders'],
    ['//', '//'],
    ['/a",evil="b', '/a%22,evil=%22b'],
    ['/a\\b', '/a/b'],
    ['/%22%0d%0a', '/%22%0d%0a'],
    ['/', '/'],
  ])('of %s names the metadata document of %s', async (target, path) => {
    const { challenge } = await call(running.url, { path: target });
    expect(challenge?.split('resource_metadata=').at(-1)).toBe(`"${document}${path}"`);
  });
});
