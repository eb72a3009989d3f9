// Where the keys come from, how often they are asked for, and what an outage changes.

import { generateKeyPairSync } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callWith } from './support/bearer-app.ts';
import { startCheckedApi } from './support/checked-api.ts';
import type { CheckedApi } from './support/checked-api.ts';
import { json, makeKey } from './support/issuer.ts';
import type { SigningKey } from './support/issuer.ts';

const discovery = '/.well-known/openid-configuration';
const jwks = '/oauth2/jwks';
const minute = 60_000;

let api: CheckedApi;
let spare: SigningKey;

beforeAll(async () => {
  spare = await makeKey();
});
beforeEach(async () => {
  api = await startCheckedApi({ timeoutMs: 300 });
});
afterEach(async () => {
  vi.useRealTimers();
  await api.close();
});

const status = async (token: string, path = '/me') =>
  (await callWith(api.url + path, token)).status;
const fetches = (path: string) => api.issuer.hits.get(path) ?? 0;

/** Moves the clock, in milliseconds from now. */
function later(ms: number) {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
}

/** Tokens that outlive what a test does with the clock. */
const longLived = () => api.issuer.sign({ exp: Math.floor(Date.now() / 1000) + 86_400 });

describe('rotation', () => {
  test('a key published before it is used fails no request', async () => {
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.published.push(spare.jwk);
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.key = spare;
    const tokens = await Promise.all(Array.from({ length: 20 }, () => api.issuer.sign()));
    const statuses = await Promise.all(tokens.map((token) => status(token)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(fetches(jwks)).toBe(2);
  });

  test('an unannounced key is accepted within the cooldown, even under attack', async () => {
    const forged = await Promise.all(
      Array.from({ length: 10 }, (_, i) => api.issuer.sign({}, { kid: `forged-${i}` })),
    );
    for (const token of forged) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other spends the allowance
      expect(await status(token)).toBe(401);
    }
    api.issuer.published = [spare.jwk];
    api.issuer.key = spare;
    const token = await longLived();
    expect(await status(token)).toBe(401);
    later(31_000);
    expect(await status(token)).toBe(200);
  });

  test('a key that leaves takes the tokens it signed along, remembered ones included', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [spare.jwk];
    api.issuer.key = spare;
    expect(await status(await longLived(), '/remembered')).toBe(200);
    expect(await status(old, '/remembered')).toBe(401);
    expect(api.remembered.size).toBe(0);
  });

  test('a withdrawn key is noticed although every token is remembered', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [spare.jwk];
    later(6 * minute);
    await status(old, '/remembered');
    await vi.waitFor(() => expect(fetches(jwks)).toBe(2));
    await vi.waitFor(async () => expect(await status(old, '/remembered')).toBe(401));
  });

  test('a key with the same id but another modulus is another key', async () => {
    const old = await longLived();
    expect(await status(old, '/remembered')).toBe(200);
    api.issuer.published = [{ ...spare.jwk, kid: api.issuer.key.kid }];
    later(11 * minute);
    expect(await status(old, '/remembered')).toBe(401);
  });
});

describe('the cost of keys', () => {
  test('200 tokens with random kids cost the issuer a handful of fetches', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 200 }, () => api.issuer.sign({}, { kid: crypto.randomUUID() })),
    );
    const together = tokens.slice(0, 100).map((token) => status(token));
    expect(new Set(await Promise.all(together))).toEqual(new Set([401]));
    for (const token of tokens.slice(100)) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as an attacker would
      expect(await status(token)).toBe(401);
    }
    expect(fetches(jwks)).toBeLessThanOrEqual(5);
    expect(fetches(discovery)).toBe(1);
  });

  test('100 first requests share one discovery and one fetch of keys', async () => {
    const token = await api.issuer.sign();
    await Promise.all(Array.from({ length: 100 }, () => status(token)));
    expect([fetches(discovery), fetches(jwks)]).toEqual([1, 1]);
  });

  test('malformed tokens and missing ones cost none', async () => {
    await Promise.all([status('opaque'), status('a.b'), status('')]);
    expect(fetches(discovery)).toBe(0);
  });
});

describe('an outage', () => {
  test('before the keys were ever had is a 503 with Retry-After, never a 401', async () => {
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
    later(6000);
    expect(await status(await api.issuer.sign())).toBe(200);
    expect(await api.keys.check()).toBe('ready');
  });

  test('is bridged by the keys already had for an hour, and no longer', async () => {
    const token = await longLived();
    expect(await status(token)).toBe(200);
    expect(await status(token, '/remembered')).toBe(200);
    api.issuer.setDown(true);
    for (const minutes of [4, 11, 20, 20, 4]) {
      later(minutes * minute);
      // oxlint-disable-next-line no-await-in-loop -- time passes between them
      expect([await status(token), await status(token, '/remembered')]).toEqual([200, 200]);
    }
    expect(await api.keys.check()).toBe('degraded');
    later(2 * minute);
    expect([await status(token), await status(token, '/remembered')]).toEqual([503, 503]);
    api.issuer.setDown(false);
    later(minute);
    expect([await status(token), await status(token, '/remembered')]).toEqual([200, 200]);
  });

  test('makes a token with an unknown key a 503: whether it is good cannot be told', async () => {
    expect(await status(await api.issuer.sign())).toBe(200);
    api.issuer.setDown(true);
    const token = await api.issuer.sign({}, {}, spare);
    const statuses = [];
    // oxlint-disable-next-line no-await-in-loop -- more often than the allowance
    for (let i = 0; i < 6; i += 1) statuses.push(await status(token));
    expect(statuses).toEqual([503, 503, 503, 503, 503, 503]);
  });

  test('under load gives no wrong answer', async () => {
    const bad = await api.issuer.sign({ aud: 'elsewhere' });
    const token = await longLived();
    expect(await status(token)).toBe(200);
    api.issuer.setDown(true);
    later(11 * minute);
    const calls = Array.from({ length: 200 }, (_, i) => status(i % 2 === 0 ? token : bad));
    const statuses = await Promise.all(calls);
    expect(new Set(statuses.filter((_, i) => i % 2 === 0))).toEqual(new Set([200]));
    expect(new Set(statuses.filter((_, i) => i % 2 === 1))).toEqual(new Set([401]));
  });

  test('does not make requests wait once it is known', async () => {
    const token = await longLived();
    expect(await status(token)).toBe(200);
    api.issuer.answer(discovery, () => {});
    api.issuer.answer(jwks, () => {});
    later(11 * minute);
    expect(await status(token)).toBe(200);
    later(10_000);
    const started = performance.now();
    expect(await status(token)).toBe(200);
    expect(performance.now() - started).toBeLessThan(250);
  });
});

describe('an issuer that answers oddly is an outage', () => {
  const big = JSON.stringify({ keys: [], padding: 'x'.repeat(300 * 1024) });
  const oddities: [string, string, RequestListener][] = [
    ['an error of the keys', jwks, (_req, res) => json(res, { error: 'server_error' }, 500)],
    ['a redirect of the keys', jwks, (_req, res) => res.writeHead(302, { location: '/x' }).end()],
    [
      'a redirect of discovery',
      discovery,
      (_req, res) => res.writeHead(307, { location: '/x' }).end(),
    ],
    ['keys that are HTML', jwks, (_req, res) => res.end('<!doctype html>')],
    ['keys that are a list', jwks, (_req, res) => json(res, [])],
    ['keys without keys', jwks, (_req, res) => json(res, { keys: null })],
    ['keys beyond the bound', jwks, (_req, res) => res.end(big)],
    ['keys that never come', jwks, () => {}],
    ['keys that drip', jwks, (_req, res) => void res.write('{"keys":[')],
    [
      'keys that are cut off',
      jwks,
      (_req, res) => res.writeHead(200, { 'content-length': 99 }).end('{"keys"'),
    ],
    ['discovery without keys', discovery, (_req, res) => json(res, { issuer: api.issuer.url })],
    [
      'discovery of another issuer',
      discovery,
      (_req, res) =>
        json(res, { issuer: 'https://evil.example', jwks_uri: `${api.issuer.url}${jwks}` }),
    ],
    [
      'keys in the clear on another host',
      discovery,
      (_req, res) => json(res, { issuer: api.issuer.url, jwks_uri: 'http://keys.example/jwks' }),
    ],
  ];
  test.each(oddities)('%s: 503 in time, and good again after it', async (_name, path, listener) => {
    api.issuer.answer(path, listener);
    const token = await longLived();
    const started = performance.now();
    expect(await status(token)).toBe(503);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(fetches(path)).toBe(1);
    expect(api.events).toContainEqual({
      event: 'keys_unreachable',
      reason: expect.stringMatching(/^(unreachable|bad_answer|issuer_mismatch|insecure_url): /),
    });
    api.issuer.answer(path, undefined);
    later(6000);
    expect(await status(token)).toBe(200);
  });

  test('names the configured and the advertised issuer side by side', async () => {
    const advertised = `${api.issuer.url}/tenant`;
    api.issuer.answer(discovery, (_req, res) => json(res, { issuer: advertised }));
    await status(await api.issuer.sign());
    const text = JSON.stringify(api.events);
    expect(text).toContain(`configured as ${api.issuer.url}/ but calls itself ${advertised}`);
  });

  test('keys that cannot sign access tokens are passed over', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const published = [
      { kty: 'oct', kid: 'oct', k: 'c2VjcmV0' },
      { ...spare.jwk, use: 'enc' },
      { ...weak.export({ format: 'jwk' }), kid: 'weak' },
      { kty: 'RSA', kid: 'broken', n: 'AQAB', e: 'AQAB' },
      null,
      'x',
    ];
    api.issuer.answer(jwks, (_req, res) => json(res, { keys: [...published, api.issuer.key.jwk] }));
    expect(await status(await api.issuer.sign())).toBe(200);
    expect(await status(await api.issuer.sign({}, {}, spare))).toBe(401);
    expect(await status(await api.issuer.sign({}, { kid: 'weak' }))).toBe(401);
    expect(api.events[0]).toEqual({ event: 'keys_loaded', count: 1 });
  });
});
