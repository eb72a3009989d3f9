// The device login of the command-line example over a bad network.
import { describe, expect } from 'vitest';
import { oauthError, test } from '../support/app/cli-world.ts';
import { BROKEN } from '../support/authkit/hostile-issuer.ts';
import type { RequestListener } from 'node:http';

const cut: RequestListener = (req) => void req.socket.destroy();
const busy: RequestListener = (_req, res) => void res.writeHead(503, { 'retry-after': '1' }).end();
const pending = oauthError('authorization_pending');
const noting =
  (times: number[], next: RequestListener): RequestListener =>
  (req, res) => {
    times.push(performance.now());
    next(req, res);
  };

describe('login --device', () => {
  test.concurrent('survives every response that is not one of AuthKit', async ({ world }) => {
    const { device, issuer, respondOnce, run, tokenRequests } = world;
    Object.assign(device, { interval: 0.02 });
    const page = { 'content-type': 'text/html' };
    const broken: Record<string, RequestListener> = {
      ...BROKEN,
      'a status 502 with a page': (_req, res) => void res.writeHead(502, page).end('<h1>Bad</h1>'),
      'a status 403 with a page': (_req, res) => void res.writeHead(403, page).end('<h1>No</h1>'),
      'a status 503 without Retry-After': (_req, res) => void res.writeHead(503).end(),
      'a status 503 with a wrong Retry-After': (_req, res) =>
        void res.writeHead(503, { 'retry-after': 'soon' }).end(),
      'a limit in the form of an OAuth error': oauthError('rate_limited', 429),
      'a limit with a challenge': oauthError('x', 429, { 'www-authenticate': 'Basic realm="x"' }),
      'other JSON': (_req, res) => void res.setHeader('content-type', 'application/json').end('{}'),
    };
    respondOnce(...Object.values(broken), pending);
    const { code, stdout, stderr } = await run(['login', '--device']).ended;
    const last = [...Object.keys(broken), 'pending', 'none'][tokenRequests() - 1];
    expect({ code, stderr, last }).toEqual({ code: 0, stderr: '', last: 'none' });
    expect(stdout).toMatch(/Signed in as Nora Test\.\n$/);
    expect(issuer.hits.get('/trap')).toBeUndefined();
  });

  test.concurrent('survives a poll without a response', async ({ world }) => {
    const { respondOnce, run } = world;
    respondOnce(() => undefined);
    expect((await run(['login', '--device']).ended).code).toBe(0);
  });

  test.concurrent('doubles the interval on each lost connection, up to eight times', async ({
    world,
  }) => {
    const { device, respondOnce, run } = world;
    Object.assign(device, { interval: 0.1 });
    const times: number[] = [];
    respondOnce(...Array.from({ length: 5 }, () => noting(times, cut)));
    await run(['login', '--device']).ended;
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    [200, 400, 800, 800].forEach((wait, index) => {
      expect(waits[index]).toBeGreaterThanOrEqual(wait - 5);
    });
  });

  test.concurrent('adds five seconds after slow_down, for every later poll', async ({ world }) => {
    const { respondOnce, run } = world;
    const times: number[] = [];
    respondOnce(noting(times, oauthError('slow_down')), noting(times, pending));
    expect((await run(['login', '--device']).ended).code).toBe(0);
    times.push(performance.now());
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(5000);
    expect((times[2] ?? 0) - (times[1] ?? 0)).toBeGreaterThanOrEqual(5000);
  });

  test.concurrent('waits as long as Retry-After says', async ({ world }) => {
    const times: number[] = [];
    world.respondOnce(noting(times, busy), noting(times, pending));
    expect((await world.run(['login', '--device']).ended).code).toBe(0);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(995);
  });

  test.concurrent.for([
    ['a date', new Date(Date.now() + 86_400_000).toUTCString()],
    ['a number beyond every timer', '99999999999'],
  ] as const)('expires while Retry-After is %s', async ([, value], { world }) => {
    Object.assign(world.device, { expires_in: 2 });
    world.respondOnce((_req, res) => void res.writeHead(503, { 'retry-after': value }).end());
    const { code, stderr } = await world.run(['login', '--device']).ended;
    expect({ code, stderr }).toEqual({ code: 4, stderr: 'The code has expired. Start again.\n' });
    expect(world.tokenRequests()).toBe(1);
  });

  test.concurrent.for<[string, RequestListener, number, string]>([
    ['access_denied', oauthError('access_denied'), 4, 'You denied access; you are not signed in.'],
    ['expired_token', oauthError('expired_token'), 4, 'The code has expired. Start again.'],
    ['invalid_grant', oauthError('invalid_grant'), 4, 'The code is no longer valid. Start again.'],
    [
      'invalid_client',
      oauthError('invalid_client', 401, { 'www-authenticate': 'Basic realm="AuthKit"' }),
      1,
      'AuthKit refused the request (invalid_client): check CLI_CLIENT_ID.',
    ],
    [
      'unauthorized_client',
      oauthError('unauthorized_client'),
      1,
      'AuthKit refused the request (unauthorized_client).',
    ],
  ])('ends at once on %s', async ([, refusal, exitCode, sentence], { world }) => {
    const { files, respondOnce, run, tokenRequests } = world;
    respondOnce(cut, refusal);
    const { code, stderr } = await run(['login', '--device']).ended;
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: `${sentence}\n` });
    expect(tokenRequests()).toBe(2);
    expect(await files()).toEqual([]);
  });

  test.concurrent('ends at once when the ID token is not for this application', async ({
    world,
  }) => {
    const { issuer, run, tokenRequests } = world;
    issuer.vary.idToken = { aud: 'client_other' };
    const { code, stderr } = await run(['login', '--device']).ended;
    expect(code).toBe(1);
    expect(stderr).toBe(
      'AuthKit sent an unexpected response (OAUTH_JWT_CLAIM_COMPARISON_FAILED).\n',
    );
    expect(tokenRequests()).toBe(1);
  });
});
