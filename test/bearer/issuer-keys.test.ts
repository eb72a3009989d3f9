// Where the issuer's keys come from, how often they are fetched, and what an outage changes.

import { generateKeyPairSync, KeyObject } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { safeUrl } from '../../src/bearer/discovery.ts';
import { Issuer } from '../../src/bearer/index.ts';
import { callWith } from '../support/app/bearer-app.ts';
import { startCheckedApi } from '../support/app/checked-api.ts';
import type { CheckedApi } from '../support/app/checked-api.ts';
import {
  clockOffset,
  passTime,
  restoreDeadlines,
  setClock,
  shortenDeadlines,
} from '../support/clock/clock.ts';
import { json, makeKey } from '../support/authkit/issuer.ts';
import type { SigningKey } from '../support/authkit/issuer.ts';

const discovery = '/.well-known/openid-configuration';
const jwks = '/oauth2/jwks';
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

let api: CheckedApi;
let spare: SigningKey;

beforeAll(async () => {
  spare = await makeKey();
});
beforeEach(async () => {
  api = await startCheckedApi();
});
afterEach(async () => {
  restoreDeadlines();
  await api.close();
});

const status = async (token: string, path = '/me') =>
  (await callWith(api.url + path, token)).status;
const fetches = (path: string) => api.issuer.hits.get(path) ?? 0;

/** A token that outlives every clock change in these tests. */
const longLived = (header = {}, key?: SigningKey) =>
  api.issuer.sign({ exp: Math.floor(Date.now() / 1000) + 86_400 }, header, key);
const statusesOf = (...tokens: string[]) => Promise.all(tokens.map((token) => status(token)));
const ahead = () => setClock(clockOffset() + 2 * hour);
const back = () => setClock(clockOffset() - 2 * hour);
const withUnknownKid = () => longLived({ kid: crypto.randomUUID() });

describe('key rotation', () => {
  test('fails no request when a key is published before its first use', async () => {
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.published.push(spare.jwk);
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.key = spare;
    const tokens = await Promise.all(Array.from({ length: 20 }, () => api.issuer.sign()));
    const statuses = await Promise.all(tokens.map((token) => status(token)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(fetches(jwks)).toBe(2);
  });

  test('accepts an unannounced key after ten seconds, even under attack', async () => {
    expect(await status(await withUnknownKid())).toBe(401);
    api.issuer.published = [spare.jwk];
    api.issuer.key = spare;
    const token = await longLived();
    expect(await status(token)).toBe(401);
    passTime(10 * second);
    expect(await status(token)).toBe(200);
  });

  test('refuses the tokens of a removed key, remembered ones included', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [spare.jwk];
    api.issuer.key = spare;
    expect(await status(await longLived(), '/remembered')).toBe(200);
    expect(await status(old, '/remembered')).toBe(401);
    expect(api.remembered.size).toBe(0);
  });

  test('notices a withdrawn key although every token is remembered', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [spare.jwk];
    passTime(6 * minute);
    await status(old, '/remembered');
    await vi.waitFor(() => expect(fetches(jwks)).toBe(2));
    await vi.waitFor(async () => expect(await status(old, '/remembered')).toBe(401));
  });

  test('treats a key with the same id but another modulus as another key', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [{ ...spare.jwk, kid: api.issuer.key.kid }];
    passTime(11 * minute);
    expect(await status(old, '/remembered')).toBe(401);
  });
});

describe('a JWKS', () => {
  test('that lists one key twice has that key once', async () => {
    api.issuer.published = [api.issuer.key.jwk, api.issuer.key.jwk];
    const tokens = [await longLived(), await longLived({ kid: undefined })];
    expect(await statusesOf(...tokens)).toEqual([200, 200]);
    expect(api.events[0]).toEqual({ event: 'keys_loaded', count: 1 });
    api.issuer.published = [api.issuer.key.jwk];
    expect(await status(await withUnknownKid())).toBe(401);
    expect([fetches(jwks), api.keys.keyGeneration]).toEqual([2, 0]);
  });

  test('with two keys of the same id verifies tokens of either, and no others', async () => {
    const { kid, jwk } = api.issuer.key;
    api.issuer.published = [{ ...spare.jwk, kid }, jwk];
    const stranger = await makeKey();
    const tokens = [await longLived(), await longLived({ kid }, spare)];
    expect(await statusesOf(...tokens)).toEqual([200, 200]);
    expect(await statusesOf(await longLived({ kid }, stranger))).toEqual([401]);
    const elsewhere = await api.issuer.sign({ aud: 'elsewhere' });
    expect(await statusesOf(elsewhere)).toEqual([401]);
    expect(api.events.at(-1)).toMatchObject({ reason: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
    expect(fetches(jwks)).toBe(1);
  });

  test('with fifty other keys before ours verifies our tokens', async () => {
    const others = Array.from({ length: 50 }, (_, i) => ({ ...spare.jwk, kid: `other-${i}` }));
    api.issuer.published = [...others, api.issuer.key.jwk];
    const tokens = [await longLived(), await longLived({ kid: undefined })];
    expect(await statusesOf(...tokens)).toEqual([200, 200]);
    expect(fetches(jwks)).toBe(1);
  });

  test('whose keys have no id verifies tokens without a kid', async () => {
    const { kid: _kid, alg: _alg, use: _use, ...bare } = api.issuer.key.jwk;
    api.issuer.published = [bare];
    expect(await status(await longLived({ kid: undefined }))).toBe(200);
    const { kid: _other, ...newer } = spare.jwk;
    api.issuer.published = [newer];
    expect(await status(await longLived({ kid: undefined }, spare))).toBe(200);
    expect(await status(await longLived({ kid: undefined }))).toBe(401);
  });

  test('that becomes empty withdraws all keys, and causes 503 rather than 401', async () => {
    const old = await longLived();
    expect([await status(old), await status(old, '/remembered')]).toEqual([200, 200]);
    api.issuer.published = [];
    expect(await status(await withUnknownKid())).toBe(503);
    expect([await status(old), await status(old, '/remembered')]).toEqual([503, 503]);
    expect(api.remembered.size).toBe(0);
    expect(await api.keys.check()).toBe('unreachable');
    api.issuer.published = [spare.jwk];
    passTime(6 * second);
    expect([await status(old), await status(await longLived({}, spare))]).toEqual([401, 200]);
  });
});

describe('a wall clock set two hours ahead and back again', () => {
  afterEach(() => setClock(0));

  test('causes no fetch, and changes neither rotation nor refresh', async () => {
    const old = await longLived();
    expect(await status(old)).toBe(200);
    ahead();
    expect([await status(old), await status(old, '/remembered')]).toEqual([200, 200]);
    expect(await status(await withUnknownKid())).toBe(401);
    back();
    expect([await status(old), await status(old, '/remembered')]).toEqual([200, 200]);
    expect(fetches(jwks)).toBe(2);
    passTime(10 * second);
    api.issuer.published = [spare.jwk];
    expect(await status(await longLived({}, spare))).toBe(200);
    expect(await status(old, '/remembered')).toBe(401);
    passTime(6 * minute);
    expect(await status(await longLived({}, spare))).toBe(200);
    await vi.waitFor(() => expect(fetches(jwks)).toBe(4));
  });

  test('neither shortens nor extends the use of cached keys in an outage', async () => {
    const token = await longLived();
    ahead();
    expect(await status(token)).toBe(200);
    api.issuer.setDown(true);
    passTime(11 * minute);
    expect(await status(token)).toBe(200);
    back();
    expect(await status(token)).toBe(200);
    ahead();
    expect(await status(token)).toBe(200);
    back();
    passTime(50 * minute);
    expect(await status(token)).toBe(503);
    api.issuer.setDown(false);
    passTime(6 * second);
    expect(await status(token)).toBe(200);
  });
});

describe('fetching keys', () => {
  test('takes two requests for 200 tokens with random kids', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 200 }, () => api.issuer.sign({}, { kid: crypto.randomUUID() })),
    );
    const startedAt = performance.now();
    const together = tokens.slice(0, 100).map((token) => status(token));
    expect(new Set(await Promise.all(together))).toEqual(new Set([401]));
    for (const token of tokens.slice(100)) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as an attacker would
      expect(await status(token)).toBe(401);
    }
    // The first load, and one more for all unknown ids that come within ten seconds.
    const more = 1 + Math.floor((performance.now() - startedAt) / (10 * second));
    expect(fetches(discovery)).toBe(1);
    expect(fetches(jwks)).toBeGreaterThan(1);
    expect(fetches(jwks)).toBeLessThanOrEqual(1 + more);
  });

  test.each([
    ['a random kid', withUnknownKid],
    ['no kid and a wrong signature', () => longLived({ kid: undefined }, spare)],
  ])(
    'takes at most one request in ten seconds for a token each second with %s',
    async (_name, make) => {
      expect(await status(await longLived())).toBe(200);
      const started = performance.now();
      for (let seconds = 0; seconds < 60; seconds += 1) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, as time passes
        expect(await status(await make())).toBe(401);
        if (seconds < 59) passTime(second);
      }
      const unknown = fetches(jwks) - 1;
      expect(unknown).toBeGreaterThan(4);
      expect(unknown).toBeLessThanOrEqual(1 + (performance.now() - started) / (10 * second));
    },
  );

  test('takes no request for a wrong signature under a known key id', async () => {
    expect(await status(await longLived())).toBe(200);
    expect(await status(await longLived({ kid: api.issuer.key.kid }, spare))).toBe(401);
    expect(fetches(jwks)).toBe(1);
  });

  test('takes no request for unknown key ids beyond the retries of an outage', async () => {
    expect(await status(await longLived())).toBe(200);
    api.issuer.setDown(true);
    const started = performance.now();
    for (let seconds = 0; seconds < 30; seconds += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as time passes
      expect(await status(await withUnknownKid())).toBe(503);
      passTime(second);
    }
    const retries = Math.ceil((performance.now() - started) / (5 * second));
    expect(fetches(jwks) + fetches(discovery)).toBeLessThanOrEqual(2 + 1 + retries);
  });

  test('takes one discovery and one JWKS request for 100 first calls', async () => {
    const token = await api.issuer.sign();
    await Promise.all(Array.from({ length: 100 }, () => status(token)));
    expect([fetches(discovery), fetches(jwks)]).toEqual([1, 1]);
  });

  test('takes no request for malformed or missing tokens', async () => {
    await Promise.all([status('opaque'), status('a.b'), status('')]);
    expect(fetches(discovery)).toBe(0);
  });
});

describe('an outage of the issuer', () => {
  test('gives 503 with Retry-After, never 401, before the first keys', async () => {
    api.issuer.setDown(true);
    const {
      status: got,
      headers,
      challenge,
      body,
    } = await callWith(`${api.url}/me`, await api.issuer.sign());
    expect(got).toBe(503);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(challenge).toBeUndefined();
    expect(body).toMatchObject({ error: 'temporarily_unavailable' });
    expect(await api.keys.check()).toBe('unreachable');
    api.issuer.setDown(false);
    passTime(6 * second);
    expect(await status(await api.issuer.sign())).toBe(200);
    expect(await api.keys.check()).toBe('ready');
  });

  test('leaves the cached keys in use for an hour, and no longer', async () => {
    const token = await longLived();
    expect(await status(token)).toBe(200);
    expect(await status(token, '/remembered')).toBe(200);
    api.issuer.setDown(true);
    for (const minutes of [4, 11, 20, 20, 4]) {
      passTime(minutes * minute);
      // oxlint-disable-next-line no-await-in-loop -- time passes between them
      expect([await status(token), await status(token, '/remembered')]).toEqual([200, 200]);
    }
    expect(await api.keys.check()).toBe('degraded');
    passTime(2 * minute);
    expect([await status(token), await status(token, '/remembered')]).toEqual([503, 503]);
    api.issuer.setDown(false);
    passTime(minute);
    expect([await status(token), await status(token, '/remembered')]).toEqual([200, 200]);
  });

  test('gives 503 for a token with an unknown key, which cannot be judged', async () => {
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.setDown(true);
    const token = await api.issuer.sign({}, {}, spare);
    const statuses = [];
    // oxlint-disable-next-line no-await-in-loop -- more calls than key fetches are allowed
    for (let i = 0; i < 6; i += 1) statuses.push(await status(token));
    expect(statuses).toEqual([503, 503, 503, 503, 503, 503]);
  });

  test('gives no wrong verdict under load', async () => {
    const bad = await api.issuer.sign({ aud: 'elsewhere' });
    const token = await longLived();
    expect(await status(token)).toBe(200);
    api.issuer.setDown(true);
    passTime(11 * minute);
    const calls = Array.from({ length: 200 }, (_, i) => status(i % 2 === 0 ? token : bad));
    const statuses = await Promise.all(calls);
    expect(new Set(statuses.filter((_, i) => i % 2 === 0))).toEqual(new Set([200]));
    expect(new Set(statuses.filter((_, i) => i % 2 === 1))).toEqual(new Set([401]));
  });

  test('delays no request once it is known', async () => {
    const token = await longLived();
    expect(await status(token)).toBe(200);
    shortenDeadlines();
    api.issuer.respondAt(discovery, () => {});
    api.issuer.respondAt(jwks, () => {});
    passTime(11 * minute);
    expect(await status(token)).toBe(200);
    passTime(10 * second);
    const started = performance.now();
    expect(await status(token)).toBe(200);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('a faulty issuer', () => {
  const big = JSON.stringify({ keys: [], padding: 'x'.repeat(300 * 1024) });
  const oddities: [string, string, RequestListener][] = [
    ['an error for the JWKS', jwks, (_req, res) => json(res, { error: 'server_error' }, 500)],
    ['a redirect of the JWKS', jwks, (_req, res) => res.writeHead(302, { location: '/x' }).end()],
    [
      'a redirect of discovery',
      discovery,
      (_req, res) => res.writeHead(307, { location: '/x' }).end(),
    ],
    ['a JWKS that is HTML', jwks, (_req, res) => res.end('<!doctype html>')],
    ['a JWKS that is a list', jwks, (_req, res) => json(res, [])],
    ['a JWKS without keys', jwks, (_req, res) => json(res, { keys: null })],
    ['an empty JWKS', jwks, (_req, res) => json(res, { keys: [] })],
    ['a JWKS without a usable key', jwks, (_req, res) => json(res, { keys: [{ kty: 'oct' }] })],
    ['a JWKS over the size limit', jwks, (_req, res) => res.end(big)],
    ['a JWKS that never arrives', jwks, () => {}],
    ['a JWKS that stalls', jwks, (_req, res) => void res.write('{"keys":[')],
    [
      'a truncated JWKS',
      jwks,
      (_req, res) => res.writeHead(200, { 'content-length': 99 }).end('{"keys"'),
    ],
    ['discovery without jwks_uri', discovery, (_req, res) => json(res, { issuer: api.issuer.url })],
    [
      'discovery that names another issuer',
      discovery,
      (_req, res) =>
        json(res, { issuer: 'https://evil.example', jwks_uri: `${api.issuer.url}${jwks}` }),
    ],
    [
      'a JWKS over plain http on another host',
      discovery,
      (_req, res) => json(res, { issuer: api.issuer.url, jwks_uri: 'http://keys.example/jwks' }),
    ],
  ];
  test.each(oddities)(
    'with %s gives 503 in time, and works again afterwards',
    async (_name, path, listener) => {
      const token = await longLived();
      shortenDeadlines();
      api.issuer.respondAt(path, listener);
      const started = performance.now();
      expect(await status(token)).toBe(503);
      expect(performance.now() - started).toBeLessThan(2000);
      expect(fetches(path)).toBe(1);
      expect(api.events).toContainEqual({
        event: 'keys_unreachable',
        reason: expect.stringMatching(/^(unreachable|bad_response|issuer_mismatch|insecure_url): /),
      });
      restoreDeadlines();
      api.issuer.respondAt(path, undefined);
      passTime(6 * second);
      expect(await status(token)).toBe(200);
    },
  );

  test('with another issuer in its metadata is logged with both issuers side by side', async () => {
    const advertised = `${api.issuer.url}/tenant`;
    api.issuer.respondAt(discovery, (_req, res) => json(res, { issuer: advertised }));
    await status(await api.issuer.sign());
    const text = JSON.stringify(api.events);
    expect(text).toContain(`configured as ${api.issuer.url}/ but its metadata names ${advertised}`);
  });

  test('with a path is another issuer with and without a slash at the end', async () => {
    const configured = `${api.issuer.url}/tenant`;
    api.issuer.respondAt('/tenant/.well-known/openid-configuration', (_req, res) =>
      json(res, { issuer: `${configured}/`, jwks_uri: `${api.issuer.url}/oauth2/jwks` }),
    );
    expect(await new Issuer(configured).check()).toBe('unreachable');
    const issuer = new Issuer(`${configured}/`);
    expect(issuer.identifier).toBe(`${configured}/`);
    expect(await issuer.check()).toBe('ready');
    expect(issuer.identifier).toBe(`${configured}/`);
  });

  test('may publish keys unfit for access tokens, which are skipped', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const published = [
      { kty: 'oct', kid: 'oct', k: 'c2VjcmV0' },
      { ...spare.jwk, use: 'enc' },
      { ...weak.export({ format: 'jwk' }), kid: 'weak' },
      { kty: 'RSA', kid: 'broken', n: 'AQAB', e: 'AQAB' },
      { ...(await exportJWK(spare.privateKey)), kid: 'private' },
      { ...spare.jwk, kid: 'private-in-part', d: '' },
      { ...spare.jwk, kid: 'other-alg', alg: 'RS512' },
      { ...spare.jwk, kid: 'other-use', key_ops: ['encrypt'] },
      { ...spare.jwk, kid: 'odd', key_ops: 'verify' },
      null,
      'x',
    ];
    api.issuer.respondAt(jwks, (_req, res) =>
      json(res, { keys: [...published, api.issuer.key.jwk] }),
    );
    expect(await status(await api.issuer.sign())).toBe(200);
    expect(await status(await api.issuer.sign({}, {}, spare))).toBe(401);
    for (const kid of ['weak', 'private', 'private-in-part', 'other-alg', 'other-use', 'odd']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect([kid, await status(await longLived({ kid }, spare))]).toEqual([kid, 401]);
    }
    expect(await status(await longLived({ kid: undefined }, spare))).toBe(401);
    expect(api.events[0]).toEqual({ event: 'keys_loaded', count: 1 });
  });
});

test('Issuer fetches with the fetch function it is given', async () => {
  const asked: string[] = [];
  const issuer = new Issuer(api.issuer.url, {
    fetch: (input, init) => {
      const request = new Request(input, init);
      asked.push(new URL(request.url).pathname);
      return fetch(request);
    },
  });
  expect(await issuer.check()).toBe('ready');
  expect(asked).toEqual([discovery, jwks]);
});

test('an https issuer whose metadata names an http address on loopback is refused', () => {
  const name = 'jwks_uri';
  expect(() => safeUrl('http://127.0.0.1:6379/', name, 'https://a.authkit.app')).toThrow(/https/);
  expect(safeUrl('http://127.0.0.1:6379/', name, 'http://localhost:4000').port).toBe('6379');
});

test('a JWKS whose keys name no algorithm serves RS256 alone', async () => {
  const { kid, privateKey, jwk } = api.issuer.key;
  const { alg: _alg, use: _use, ...bare } = jwk;
  api.issuer.published = [bare];
  const signed = (alg: string) =>
    new SignJWT(api.issuer.claims())
      .setProtectedHeader({ alg, kid })
      .sign(KeyObject.from(privateKey));
  const tokens = await Promise.all(['RS256', 'RS512', 'PS256'].map(signed));
  expect(await statusesOf(...tokens)).toEqual([200, 401, 401]);
});
