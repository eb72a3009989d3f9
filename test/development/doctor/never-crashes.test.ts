// Whatever the settings and the responses are, the doctor reports findings that contain no secret.
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settings } from '../../../src/config/config.ts';
import { describe as report } from '../../../src/development/doctor/report.ts';
import { createServers, diagnose } from '../../support/app/doctor.ts';
import { BROKEN, ENDLESS } from '../../support/authkit/hostile-issuer.ts';

const CLIENT = {
  OAUTH_APP_CLIENT_ID: 'client_01',
  OAUTH_APP_CLIENT_SECRET: 'the-client-secret-of-this-test',
  BASE_URL: 'http://localhost:1',
  PORT: '1',
};
const servers = createServers();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
});
afterAll(async () => {
  servers.close();
  await rm(folder, { recursive: true, force: true });
});

async function expectFindings(env: Record<string, string>, token?: string) {
  const { findings } = await diagnose(env, token);
  expect(findings.length).toBeGreaterThan(0);
  expect(report(findings)).toMatch(/\d+ ok, \d+ warnings?, \d+ problems?\n$/);
  for (const { found } of findings)
    expect(found).not.toMatch(/undefined|\[object|cannot be checked \(/);
}

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

const odd = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\0', '%', 'http://', 'http://[::', '/'.repeat(5_000), '😀', '-1', '1e3'),
);

describe('for settings of any text', () => {
  const names = Object.keys(settings.shape);
  // Text that is a URL would lead the doctor to a host outside.
  const text = odd.filter((value) => !URL.canParse(value.trim()));
  const entries = fc.array(fc.tuple(fc.constantFrom(...names), text), { maxLength: 6 });
  const paths = fc.constantFrom(
    '/dev/null',
    '/proc/self/mem',
    '/',
    '.',
    '/dev/null/x',
    'a'.repeat(300),
  );

  it('the doctor reports findings', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(entries, paths, async (given, path) => {
      const file = { SESSION_DB: path.startsWith('/') ? path : join(folder, path) };
      await expectFindings({
        ...file,
        PORT: '1',
        BASE_URL: 'http://localhost:1',
        ...Object.fromEntries(given),
      });
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('for metadata, keys, tokens and redirects of any kind', () => {
  let issuer: string;
  let respond: RequestListener;
  beforeAll(async () => {
    issuer = await servers.serve((req, res) => respond(req, res));
  });

  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(null, { toString: 1 }, [{ kty: 7 }], '', 'x'.repeat(3_000)),
  );
  const members = fc.dictionary(
    fc.constantFrom(
      'issuer',
      'jwks_uri',
      'keys',
      'error',
      'scopes_supported',
      'token_endpoint',
      'authorization_endpoint',
      'revocation_endpoint',
      'id_token_signing_alg_values_supported',
    ),
    value,
  );
  const response = fc.record({
    status: fc.constantFrom(200, 200, 200, 204, 302, 400, 401, 429, 500),
    location: fc.option(fc.webPath().filter((path) => /^[\x21-\x7e]*$/.test(path))),
    members,
  });

  const tokens = fc
    .dictionary(fc.constantFrom('iss', 'aud', 'scope', 'nonce'), value)
    .map((claims) => `${encode({ alg: 'RS256' })}.${encode(claims)}.c2ln`);

  it('the doctor reports findings', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(
      response,
      response,
      fc.boolean(),
      tokens,
      async (metadata, other, isUsable, token) => {
        respond = (req, res) => {
          const isMetadata = req.url?.includes('.well-known') === true;
          const { status, location, members: own } = isMetadata ? metadata : other;
          const sound = isMetadata && isUsable;
          const endpoints = {
            issuer,
            authorization_endpoint: `${issuer}/authorize`,
            token_endpoint: `${issuer}/token`,
            jwks_uri: `${issuer}/jwks`,
          };
          res.writeHead(sound ? 200 : status, {
            'content-type': 'application/json',
            ...(location !== null && { location }),
          });
          res.end(
            status === 204 && !sound ? '' : JSON.stringify({ ...own, ...(sound && endpoints) }),
          );
        };
        await expectFindings(
          { ...CLIENT, AUTHKIT_ISSUER: issuer, SESSION_DB: join(folder, 'db') },
          token,
        );
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });
});

describe.each(Object.entries({ ...BROKEN, ...ENDLESS }))('for %s', (_, listener) => {
  it.concurrent.each(['/.well-known/openid-configuration', '/jwks', '/token', '/authorize'])(
    'at %s the doctor reports findings',
    { timeout: 120_000 },
    async (path) => {
      const issuer: string = await servers.serve((req, res) => {
        const { pathname } = new URL(req.url ?? '/', 'http://localhost');
        if (pathname === path) return listener(req, res);
        const endpoints = {
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
        };
        res.writeHead(200, { 'content-type': 'application/json' });
        return res.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks`, ...endpoints }));
      });
      await expectFindings({ ...CLIENT, AUTHKIT_ISSUER: issuer, SESSION_DB: join(folder, 'db') });
    },
  );
});
