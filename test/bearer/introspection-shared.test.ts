// Calls with the same token share one introspection request, and an inactive token is refused for
// two seconds without another one. The deadlines are those of production: no test here waits for
// one.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createIntrospection, Issuer } from '../../src/bearer/index.ts';
import type { AccessToken } from '../../src/bearer/index.ts';
import { introspectionPath, startIntrospectingApi } from '../support/app/introspecting-api.ts';
import type { IntrospectingApi } from '../support/app/introspecting-api.ts';
import { clockOffset, passTime, setClock } from '../support/clock/clock.ts';
import { json } from '../support/authkit/issuer.ts';

let api: IntrospectingApi;

beforeEach(async () => {
  api = await startIntrospectingApi();
});
afterEach(() => api.close());

/** Holds every introspection response back until the returned function is called. */
function hold(response: unknown, code = 200) {
  const held: (() => void)[] = [];
  api.issuer.respondAt(introspectionPath, (_req, res) => {
    held.push(() => json(res, response, code));
  });
  return () => held.splice(0).forEach((go) => go());
}
/** The statuses of calls that all arrive before the first introspection response. */
async function together(tokens: string[], letGo: () => void) {
  const calls = tokens.map((token) => api.status(token));
  await vi.waitUntil(() => api.verified() === tokens.length, 20_000);
  letGo();
  return Promise.all(calls);
}

describe('introspection', () => {
  test('sends one request for 100 simultaneous calls with the same token', async () => {
    const token = await api.issuer.sign();
    const letGo = hold({ active: true });
    const statuses = await together(Array<string>(100).fill(token), letGo);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(api.issuer.hits.get(introspectionPath)).toBe(1);
  });

  test('shares an outage among calls with the same token, and logs it once', async () => {
    const token = await api.issuer.sign();
    const letGo = hold({}, 500);
    const statuses = await together(Array<string>(20).fill(token), letGo);
    expect(new Set(statuses)).toEqual(new Set([503]));
    expect(api.events.filter(({ event }) => event === 'introspection_failed')).toHaveLength(1);
    api.issuer.respondAt(introspectionPath, undefined);
    expect(await api.status(token)).toBe(200);
  });

  test('sends a request for each token', async () => {
    const tokens = [await api.issuer.sign({ jti: 'a' }), await api.issuer.sign({ jti: 'b' })];
    api.issuer.introspect = ({ jti }) => ({ active: jti === 'a' });
    expect(await Promise.all(tokens.map((token) => api.status(token)))).toEqual([200, 401]);
    expect(api.issuer.introspections).toHaveLength(2);
  });

  test('does not remember that a token is active', async () => {
    const token = await api.issuer.sign();
    expect([await api.status(token), await api.status(token)]).toEqual([200, 200]);
    api.issuer.introspect = () => ({ active: false });
    expect(await api.status(token)).toBe(401);
    expect(api.issuer.introspections).toHaveLength(3);
  });

  test('refuses an inactive token for two seconds without another request', async () => {
    const token = await api.issuer.sign();
    api.issuer.introspect = () => ({ active: false });
    for (let count = 0; count < 5; count += 1) expect(await api.status(token)).toBe(401);
    expect(api.issuer.introspections).toHaveLength(1);
    passTime(2_000);
    api.issuer.introspect = () => ({ active: true });
    expect(await api.status(token)).toBe(200);
    expect(api.issuer.introspections).toHaveLength(2);
  });

  test.each([-3_600_000, 3_600_000])(
    'keeps those two seconds when the wall clock jumps by %i ms',
    async (ms) => {
      const token = await api.issuer.sign({ exp: 9_999_999_999 });
      api.issuer.introspect = () => ({ active: false });
      expect(await api.status(token)).toBe(401);
      setClock(clockOffset() + ms);
      expect(await api.status(token)).toBe(401);
      expect(api.issuer.introspections).toHaveLength(1);
      passTime(2_000);
      expect(await api.status(token)).toBe(401);
      expect(api.issuer.introspections).toHaveLength(2);
    },
  );

  test('remembers a limited number of inactive tokens', async () => {
    let count = 0;
    // Not over the network: a thousand requests would take longer than the two seconds.
    const respond: typeof fetch = async (url, init) => {
      if (typeof url !== 'string' || !url.endsWith(introspectionPath)) return fetch(url, init);
      count += 1;
      return Response.json({ active: false });
    };
    const client = { clientId: 'client_app', clientSecret: 'a secret' };
    const issuer = new Issuer(api.issuer.url, { fetch: respond });
    const isActive = createIntrospection({ issuer, ...client });
    const about = { sub: 'user_01', claims: {} } as AccessToken;
    await isActive('first', about);
    await isActive('first', about);
    expect(count).toBe(1);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => isActive(`token ${i}`, about)));
    await isActive('first', about);
    expect(count).toBe(1_002);
  });
});
