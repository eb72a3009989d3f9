// The demo's API as other applications see it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BearerError, Issuer } from '../../../src/bearer/index.ts';
import { addApi } from '../../../src/demo/routes/api.ts';
import type { ApiOptions } from '../../../src/demo/routes/api.ts';
import { call, callWith, newApp, serve } from '../../support/app/bearer-app.ts';
import type { ApiResponse, Running } from '../../support/app/bearer-app.ts';
import { audience, startIssuer } from '../../support/authkit/issuer.ts';
import type { TestIssuer } from '../../support/authkit/issuer.ts';

const baseUrl = 'http://localhost:3000';
let issuer: TestIssuer;
const running: Running[] = [];
let api: Running;

async function start(extra: Partial<ApiOptions> = {}) {
  const app = newApp();
  const directory = new Map([['user_01', { name: 'Ada', email: 'ada@example.com' }]]);
  const options: ApiOptions = {
    issuer: new Issuer(issuer.url),
    audience: [audience],
    clientId: 'client_app',
    clientSecret: 'secret',
    baseUrl,
    findUser: async (sub) => directory.get(sub) ?? null,
  };
  addApi(app, { ...options, ...extra });
  const started = await serve(app);
  running.push(started);
  return started;
}

beforeAll(async () => {
  issuer = await startIssuer();
  api = await start();
});
afterAll(async () => {
  await Promise.all([...running, issuer].map((one) => one.close()));
});

describe.each(['/api/me', '/api/me/active'])('%s', (path) => {
  test('describes the caller, with the user of the directory', async () => {
    const token = await issuer.sign({ org_id: 'org_1', scope: 'openid profile email' });
    const { status, body, headers } = await callWith(api.url + path, token);
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        sub: 'user_01',
        client_id: 'client_cli',
        org_id: 'org_1',
        scopes: ['openid', 'profile', 'email'],
        expires_at: expect.any(Number),
        machine: false,
        user: { name: 'Ada', email: 'ada@example.com' },
      },
    });
    expect(headers['cache-control']).toBe('no-store');
  });

  test.each([
    ['openid', { name: null, email: null }],
    ['openid profile', { name: 'Ada', email: null }],
    ['openid email', { name: null, email: 'ada@example.com' }],
  ])('limits the user to the granted scopes "%s"', async (scope, user) => {
    const { body } = await callWith(api.url + path, await issuer.sign({ scope }));
    expect(body).toMatchObject({ user });
  });

  test('has null for a user who is not in the directory', async () => {
    const { body } = await callWith(api.url + path, await issuer.sign({ sub: 'user_99' }));
    expect(body).toMatchObject({ sub: 'user_99', org_id: null, user: null });
  });

  test('marks a machine as such', async () => {
    const token = await issuer.sign({ sub: 'client_job', client_id: 'client_job', sid: undefined });
    const { body } = await callWith(api.url + path, token);
    expect(body).toMatchObject({ machine: true, client_id: 'client_job', user: null });
  });

  test('names the metadata of the API in the challenge without a token', async () => {
    const { status, challenge } = await call(api.url + path);
    expect(status).toBe(401);
    expect(challenge).toBe(
      `Bearer realm="api", resource_metadata="${baseUrl}/.well-known/oauth-protected-resource${path}"`,
    );
  });
});

test('/api/organization requires a token of an organization', async () => {
  const url = `${api.url}/api/organization`;
  const { body } = await callWith(url, await issuer.sign({ org_id: 'org_1' }));
  expect(body).toEqual({ org_id: 'org_1', sub: 'user_01' });
  expect((await callWith(url, await issuer.sign())).status).toBe(403);
});

test('/api/me/active gives 501 in a Public application, for good tokens only', async () => {
  const app = await start({ clientSecret: undefined });
  const url = `${app.url}/api/me/active`;
  const { status, body, challenge } = await callWith(url, await issuer.sign());
  expect(status).toBe(501);
  expect(challenge).toBeUndefined();
  expect(body).toEqual({
    error: 'introspection_unsupported',
    error_description: expect.stringContaining('Public application'),
  });
  expect((await call(url)).status).toBe(401);
});

describe('an API response', () => {
  test.each([
    ['GET', '/api', 404],
    ['GET', '/api/nothing', 404],
    ['POST', '/api/me', 405],
    ['DELETE', '/api/me/active', 405],
    ['PATCH', '/api/organization', 405],
    ['OPTIONS', '/api/me', 405],
    ['POST', '/api/nothing', 404],
  ])('to %s %s has status %i, is JSON and is not stored', async (method, path, expected) => {
    const { status, headers, body } = await call(api.url + path, { method });
    expect(status).toBe(expected);
    expect(body).toMatchObject({
      error: expect.any(String),
      error_description: expect.any(String),
    });
    expect(headers['cache-control']).toBe('no-store');
    expect(headers['allow']).toBe(expected === 405 ? 'GET, HEAD' : undefined);
  });

  test('to HEAD is that to GET without a body', async () => {
    const headers = [['authorization', `Bearer ${await issuer.sign()}`]] as const;
    const { status, body } = await call(`${api.url}/api/me`, { method: 'HEAD', headers });
    expect({ status, body }).toEqual({ status: 200, body: '' });
  });
});

test('a rate limit can replace the response to refused calls', async () => {
  const codes: unknown[] = [];
  const app = await start({
    refused: (error: unknown, _req, res, next) => {
      codes.push(error instanceof BearerError ? error.code : error);
      if (codes.length < 3) next(error);
      else res.status(429).json({});
    },
  });
  const statuses = [];
  for (const token of ['a', 'b', 'c']) {
    // oxlint-disable-next-line no-await-in-loop -- counted one by one
    statuses.push((await callWith(`${app.url}/api/me`, token)).status);
  }
  statuses.push((await callWith(`${app.url}/api/me`, await issuer.sign())).status);
  expect(statuses).toEqual([401, 401, 429, 200]);
  expect(codes).toEqual(['invalid_token', 'invalid_token', 'invalid_token']);
});

const root = '/.well-known/oauth-protected-resource';
/** The metadata URL of a challenge, on the server that stands in for `baseUrl`. */
const documentOf = (app: Running, { challenge = '' }: ApiResponse) =>
  /resource_metadata="([^"]+)"/.exec(challenge)?.[1]?.replace(baseUrl, app.url) ?? '';

describe('the RFC 9728 metadata document', () => {
  test.each([
    [undefined, root, baseUrl],
    ['https://elsewhere.example/api', root, baseUrl],
    ['urn:example:api', root, baseUrl],
    [`${baseUrl}/api`, `${root}/api`, `${baseUrl}/api`],
    [`${baseUrl}/api`, root, baseUrl],
    [`${baseUrl}/api/`, `${root}/api/`, `${baseUrl}/api/`],
    [`${baseUrl}/`, root, `${baseUrl}/`],
    [`${baseUrl}/api?v=1`, `${root}/api?v=1`, `${baseUrl}/api?v=1`],
    [`${baseUrl}/forum`, `${root}/forum`, `${baseUrl}/forum`],
  ])('with the resource indicator %s at %s describes %s', async (resource, path, named) => {
    const app = await start({ resource });
    const { status, body } = await call(app.url + path);
    expect(status).toBe(200);
    expect(body).toEqual({
      resource: named,
      authorization_servers: [issuer.url],
      bearer_methods_supported: ['header'],
    });
  });

  // A client that follows a challenge must refuse a document that names another URL (§3.3).
  const called = ['/api/me', '/api/me/', '/api/me/active', '/api/organization', '/API/ME'];
  const indicators = [undefined, `${baseUrl}/`, `${baseUrl}/api`, `${baseUrl}/api?v=1`];
  test.each(called.flatMap((path) => indicators.map((resource) => [path, resource] as const)))(
    'named by the challenge of %s describes that URL, with the resource indicator %s',
    async (path, resource) => {
      const app = await start({ resource });
      const refusals = [await call(app.url + path), await callWith(app.url + path, 'no.to.ken')];
      for (const refused of refusals) {
        const url = documentOf(app, refused);
        // The URL that a client without the challenge builds itself (§3.1).
        expect(url).toBe(app.url + root + path);
        // oxlint-disable-next-line no-await-in-loop -- two calls
        expect((await call(url)).body).toMatchObject({ resource: baseUrl + path });
      }
    },
  );

  test('is named without the query, which may hold a token', async () => {
    const { challenge } = await call(`${api.url}/api/me?a=b&access_token=planted`);
    expect(challenge).toContain(`resource_metadata="${baseUrl}${root}/api/me"`);
    expect(challenge).not.toContain('planted');
  });

  test.each([
    ['http://evil.example/api/me', '/api/me'],
    ['/api/me"', undefined],
    ['//api/me', undefined],
    ['//evil.example/api/me', undefined],
  ])('is on our own origin for every request target: %s', async (target, path) => {
    const { status, challenge } = await call(api.url, { path: target });
    expect(status).toBe(path === undefined ? 404 : 401);
    const said = path && `Bearer realm="api", resource_metadata="${baseUrl}${root}${path}"`;
    expect(challenge).toBe(said);
  });

  test.each([`${root}s`, `/x${root}`, '/.well-known/oauth-protected'])(
    'is not served at %s',
    async (path) => {
      expect((await call(api.url + path)).status).toBe(404);
    },
  );
});

describe('CORS', () => {
  const origin = 'https://spa.example';
  const preflight = [
    ['origin', origin],
    ['access-control-request-method', 'GET'],
    ['access-control-request-headers', 'authorization'],
  ] as const;

  test('is off by default', async () => {
    const asked = await call(`${api.url}/api/me`, { method: 'OPTIONS', headers: preflight });
    expect(asked.status).toBe(405);
    const allowed = await call(`${api.url}/api/me`, { headers: [['origin', origin]] });
    for (const { headers } of [asked, allowed]) {
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  test('allows a listed origin, without cookies', async () => {
    const app = await start({ allowedOrigins: [origin] });
    const asked = await call(`${app.url}/api/me`, { method: 'OPTIONS', headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-headers': expect.stringContaining('Authorization'),
      vary: 'Origin',
    });
    expect(asked.headers['access-control-allow-credentials']).toBeUndefined();
    const refused = await call(`${app.url}/api/me`, { headers: [['origin', origin]] });
    expect(refused.headers['access-control-allow-origin']).toBe(origin);
    expect(refused.headers['access-control-expose-headers']).toContain('WWW-Authenticate');
  });

  test('allows a listed origin to read the RFC 9728 documents', async () => {
    const app = await start({ allowedOrigins: [origin] });
    const url = documentOf(app, await call(`${app.url}/api/me`, { headers: [['origin', origin]] }));
    for (const document of [url, app.url + root]) {
      // oxlint-disable no-await-in-loop -- two documents
      const { status, headers } = await call(document, { headers: [['origin', origin]] });
      expect(status).toBe(200);
      expect(headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' });
      const asked = await call(document, { method: 'OPTIONS', headers: preflight });
      expect(asked.status).toBe(204);
      // MCP clients send their version when they fetch the document.
      expect(asked.headers['access-control-allow-headers']).toContain('MCP-Protocol-Version');
      const others = [['origin', 'https://evil.example']] as const;
      const other = (await call(document, { headers: others })).headers;
      expect([other['access-control-allow-origin'], other['vary']]).toEqual([undefined, 'Origin']);
      const alone = (await call(api.url + root, { headers: [['origin', origin]] })).headers;
      expect(alone['access-control-allow-origin']).toBeUndefined();
      // oxlint-enable no-await-in-loop
    }
  });

  test.each(['https://spa.example.evil.example', 'http://spa.example', 'null', `${origin}:444`])(
    'refuses %s, which only resembles a listed origin',
    async (other) => {
      const app = await start({ allowedOrigins: [origin] });
      const { headers } = await call(`${app.url}/api/me`, { headers: [['origin', other]] });
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect(headers['vary']).toBe('Origin');
    },
  );
});
