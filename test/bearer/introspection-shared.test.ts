// Calls with one token cost the issuer one question at a time, and none for a moment once it is not
// active. Deadlines are as they are in production: nothing here waits for one.

import type { RequestHandler } from 'express';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  bearerErrorHandler,
  createIntrospection,
  Issuer,
  requireAccessToken,
  requireActiveToken,
} from '../../src/bearer/index.ts';
import type { AccessToken, BearerEvent } from '../../src/bearer/index.ts';
import { callWith, newApp, serve } from '../support/app/bearer-app.ts';
import type { Running } from '../support/app/bearer-app.ts';
import { clockOffset, passTime, setClock } from '../support/clock/clock.ts';
import { audience, json, startIssuer } from '../support/authkit/issuer.ts';
import type { TestIssuer } from '../support/authkit/issuer.ts';

const path = '/oauth2/introspection';
let issuer: TestIssuer;
let api: Running;
let events: BearerEvent[];
/** Calls that got as far as to ask. */
let arrived: number;

beforeEach(async () => {
  issuer = await startIssuer();
  events = [];
  const log = (event: BearerEvent) => void events.push(event);
  const shared = new Issuer(issuer.url);
  const client = { clientId: 'client_app', clientSecret: 'a secret', log };
  const introspect = createIntrospection({ issuer: shared, ...client });
  arrived = 0;
  const count: RequestHandler = (_req, _res, next) => {
    arrived += 1;
    next();
  };
  const app = newApp();
  const guard = requireAccessToken({ issuer: shared, audience });
  app.get('/', guard, count, requireActiveToken(introspect), (_req, res) => res.json({}));
  app.use(bearerErrorHandler({ log }));
  api = await serve(app);
});
afterEach(async () => {
  await Promise.all([api.close(), issuer.close()]);
});

const status = async (token: string) => (await callWith(api.url, token)).status;
/** Answers at the introspection endpoint once it is let go. */
function hold(answer: () => unknown, code = 200) {
  const held: (() => void)[] = [];
  issuer.answer(path, (_req, res) => void held.push(() => json(res, answer(), code)));
  return () => held.splice(0).forEach((go) => go());
}
const asked = () => issuer.hits.get(path) ?? 0;
/** So many calls that have all come in before the first is answered. */
async function together(tokens: string[], letGo: () => void) {
  const calls = tokens.map(status);
  await vi.waitUntil(() => arrived === tokens.length, 20_000);
  letGo();
  return Promise.all(calls);
}

describe('calls with one token', () => {
  test('that come while it is asked about share the answer: 100 of them cost one request', async () => {
    const token = await issuer.sign();
    const letGo = hold(() => ({ active: true }));
    const statuses = await together(Array<string>(100).fill(token), letGo);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(asked()).toBe(1);
  });

  test('share an outage too, which the log tells once', async () => {
    const token = await issuer.sign();
    const letGo = hold(() => ({}), 500);
    const statuses = await together(Array<string>(20).fill(token), letGo);
    expect(new Set(statuses)).toEqual(new Set([503]));
    expect(events.filter(({ event }) => event === 'introspection_failed')).toHaveLength(1);
    issuer.answer(path, undefined);
    expect(await status(token)).toBe(200);
  });

  test('get no answer about another one', async () => {
    const tokens = await Promise.all([issuer.sign({ jti: 'a' }), issuer.sign({ jti: 'b' })]);
    issuer.introspect = ({ jti }) => ({ active: jti === 'a' });
    expect(await Promise.all(tokens.map(status))).toEqual([200, 401]);
    expect(issuer.introspections).toHaveLength(2);
  });

  test('are let in by no answer of before: active is forgotten at once', async () => {
    const token = await issuer.sign();
    expect([await status(token), await status(token)]).toEqual([200, 200]);
    issuer.introspect = () => ({ active: false });
    expect(await status(token)).toBe(401);
    expect(issuer.introspections).toHaveLength(3);
  });

  test('are refused for two seconds once it is not active, without a request', async () => {
    const token = await issuer.sign();
    issuer.introspect = () => ({ active: false });
    for (let count = 0; count < 5; count += 1) expect(await status(token)).toBe(401);
    expect(issuer.introspections).toHaveLength(1);
    passTime(2_000);
    issuer.introspect = () => ({ active: true });
    expect(await status(token)).toBe(200);
    expect(issuer.introspections).toHaveLength(2);
  });

  test.each([-3_600_000, 3_600_000])(
    'are not held by a wall clock that jumps by %i ms',
    async (ms) => {
      const token = await issuer.sign({ exp: 9_999_999_999 });
      issuer.introspect = () => ({ active: false });
      expect(await status(token)).toBe(401);
      setClock(clockOffset() + ms);
      expect(await status(token)).toBe(401);
      expect(issuer.introspections).toHaveLength(1);
      passTime(2_000);
      expect(await status(token)).toBe(401);
      expect(issuer.introspections).toHaveLength(2);
    },
  );

  test('are remembered for a bounded number of tokens, however many come', async () => {
    let count = 0;
    // Not over the network: a thousand requests would take longer than the two seconds.
    const answering: typeof fetch = async (url, init) => {
      if (typeof url !== 'string' || !url.endsWith(path)) return fetch(url, init);
      count += 1;
      return Response.json({ active: false });
    };
    const client = { clientId: 'client_app', clientSecret: 'a secret' };
    const asking = new Issuer(issuer.url, { fetch: answering });
    const isActive = createIntrospection({ issuer: asking, ...client });
    const about = { sub: 'user_01', claims: {} } as AccessToken;
    await isActive('first', about);
    await isActive('first', about);
    expect(count).toBe(1);
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => isActive(`token ${i}`, about)));
    await isActive('first', about);
    expect(count).toBe(1_002);
  });
});
