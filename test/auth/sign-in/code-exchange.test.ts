// AuthKit or the store fails while a code is exchanged. A page names the cause, sessions stay as
// they were, and the same authorization response works once the fault is over.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, untilReady, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import {
  authorizationResponseFor,
  codeOn,
  outcome,
  whoIs,
  withParameters,
} from '../../support/browser/callback.ts';
import { startRedis } from '../../support/store/redis.ts';
import { withParts } from '../../support/machine/with-parts.ts';

type Fault = Parameters<TestApp['authKit']['control']['fault']>[0];

describe('the callback while an endpoint of AuthKit fails', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterEach(() => app.authKit.control.reset());
  afterAll(() => app.close());

  it.each<[string, Fault, number, string]>([
    ['token: 500', { endpoint: 'token', kind: 'status', status: 500 }, 503, 'issuer_unreachable'],
    ['token: 429', { endpoint: 'token', kind: 'status', status: 429 }, 503, 'issuer_unreachable'],
    ['token: 408', { endpoint: 'token', kind: 'status', status: 408 }, 503, 'issuer_unreachable'],
    ['token: 404', { endpoint: 'token', kind: 'status', status: 404 }, 502, 'response_invalid'],
    ['token: cut', { endpoint: 'token', kind: 'cut' }, 503, 'issuer_unreachable'],
    ['token: garbage', { endpoint: 'token', kind: 'garbage' }, 502, 'response_invalid'],
    ['token: silent', { endpoint: 'token', kind: 'silent' }, 504, 'issuer_timeout'],
    ['jwks: 503', { endpoint: 'jwks', kind: 'status', status: 503 }, 503, 'issuer_unreachable'],
    ['jwks: cut', { endpoint: 'jwks', kind: 'cut' }, 503, 'issuer_unreachable'],
    ['jwks: garbage', { endpoint: 'jwks', kind: 'garbage' }, 503, 'issuer_unreachable'],
  ])('responds with $2 $3 and begins no session ($0)', async (_name, fault, status, code) => {
    // A restarted app has no keys in memory that would hide the fault.
    await app.restart();
    await untilReady(app);
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    app.authKit.control.fault(fault);
    const page = await browser.get(response);
    expect([page.status, codeOn(page)]).toEqual([status, code]);
    if (status !== 502) expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
    expect(page.body).toContain('href="/login?return_to=%2Fprofile"');
    expect(browser.jar.find('session')).toBeUndefined();

    app.authKit.control.reset();
    const again = fault.endpoint === 'token' ? [303, '/profile'] : [400, 'code_refused'];
    expect(await outcome(browser, response)).toEqual(again);
  });

  it('keeps the signed-in user signed in', async () => {
    const browser = await signIn(app, { person: 'Ada' });
    const response = await authorizationResponseFor(app, browser);
    app.authKit.control.fault({ endpoint: 'token', kind: 'status', status: 500 });
    expect(await outcome(browser, response)).toEqual([503, 'issuer_unreachable']);
    expect(await whoIs(browser, app)).toBe('Ada Lindqvist');
  });
});

it.each([
  ['a Public', 'publicApp', 'invalid_code'],
  ['a confidential', 'firstParty', 'invalid_grant'],
] as const)(
  'an unknown code of %s application is refused as code_refused',
  async (_, kind, error) => {
    const app = await startTestApp({ kind });
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    const changed = withParameters(response, { code: 'not-the-code' });
    expect(await outcome(browser, changed)).toEqual([400, 'code_refused']);
    expect(browser.page?.body).toContain('href="/login?return_to=%2Fprofile"');
    // Operators search the log for this.
    expect(JSON.stringify(app.log.at(-1))).toContain(`"oauthError":"${error}"`);
    expect(await outcome(browser, response)).toEqual([303, '/profile']);
    await app.close();
  },
);

withParts('redis-server').it(
  'an unreachable store signs no user in, and the same response works afterwards',
  async () => {
    const redis = await startRedis();
    const app = await startTestApp({ env: { REDIS_URL: redis.url } });
    await untilReady(app);
    const browser = new Browser();
    const response = await authorizationResponseFor(app, browser);
    await redis.stop();
    expect(await outcome(browser, response)).toEqual([503, 'store_unavailable']);
    expect((await browser.get(app.url)).status).toBe(200);
    await redis.start();
    await untilReady(app);
    expect(await outcome(browser, response)).toEqual([303, '/profile']);
    await app.close();
    await redis.close();
  },
);
