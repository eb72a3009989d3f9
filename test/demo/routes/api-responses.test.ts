// The API of the real app gives the responses that docs/api.md lists: each row with its challenge,
// as JSON, never stored.
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, untilReady, type TestApp } from '../../support/app/app.ts';
import { call, callWith, type ApiResponse } from '../../support/app/bearer-app.ts';
import { audience, json, startIssuer, type TestIssuer } from '../../support/authkit/issuer.ts';
import { inlineCode, readText, section, tableRows } from '../../support/reading/markdown.ts';

const rows = tableRows(section(readText('docs/api.md'), 'Responses'));
const CLIENT = { OAUTH_APP_CLIENT_ID: 'client_app', API_AUDIENCE: audience };
let issuer: TestIssuer;
let confidential: TestApp;
let publicApp: TestApp;
/** A separate app, since an address over its limit gets no introspection. */
let limited: TestApp;

beforeAll(async () => {
  issuer = await startIssuer();
  const env = { AUTHKIT_ISSUER: issuer.url, ...CLIENT };
  const secret = { OAUTH_APP_CLIENT_SECRET: 'a-secret-of-the-tests' };
  confidential = await startTestApp({ env: { ...env, ...secret } });
  limited = await startTestApp({ env: { ...env, ...secret, RATE_LIMIT: '20' } });
  publicApp = await startTestApp({
    kind: 'publicApp',
    env: { ...env, OAUTH_APP_CLIENT_SECRET: '' },
  });
  await Promise.all([confidential, publicApp, limited].map(untilReady));
});
afterAll(async () => {
  await Promise.all([confidential, publicApp, limited].map((app) => app.close()));
  await issuer.close();
});

const at = (path: string) => confidential.url + path;
const me = () => at('/api/me');
const refused = (claims: Record<string, unknown>) => async () =>
  callWith(me(), await issuer.sign(claims));
const twoTokens = [
  ['authorization', 'Bearer one'],
  ['authorization', 'Bearer two'],
] as const;

let tokens = 0;

/** Calls the introspecting route with a new token and this introspection response. */
const introspected = (listener: RequestListener) => async () => {
  issuer.faults.set('/oauth2/introspection', listener);
  const response = await callWith(
    at('/api/me/active'),
    await issuer.sign({ jti: `of-test-${(tokens += 1)}` }),
  );
  issuer.faults.clear();
  return response;
};
const noLongerActive = introspected((_req, res) => json(res, { active: false }));
const introspectionAway = introspected((_req, res) => res.writeHead(500).end());

async function tooManyRefused(): Promise<ApiResponse> {
  let response = await callWith(`${limited.url}/api/me`, 'no-token');
  for (let more = 0; more < 20 && response.status === 401; more += 1) {
    // oxlint-disable-next-line no-await-in-loop -- counted one by one
    response = await callWith(`${limited.url}/api/me`, 'no-token');
  }
  expect((await callWith(`${limited.url}/api/me`, await issuer.sign())).status).toBe(200);
  return response;
}

/** The calls that cause each row, in the order of the table. */
const causes: [status: number, (() => Promise<ApiResponse>)[]][] = [
  [401, [() => call(me())]],
  [400, [() => call(`${me()}?access_token=x`), () => call(me(), { headers: twoTokens })]],
  [
    401,
    [
      () => callWith(me(), 'no-token'),
      refused({ exp: 1 }),
      refused({ aud: 'client_app' }),
      noLongerActive,
    ],
  ],
  [403, [async () => callWith(at('/api/organization'), await issuer.sign())]],
  [404, [() => call(at('/api')), () => call(at('/api/nothing'), { method: 'POST' })]],
  [405, [() => call(me(), { method: 'POST' })]],
  [414, [() => call(`${me()}?${'x'.repeat(8_192)}`)]],
  [429, [tooManyRefused]],
  [503, [introspectionAway]],
  [501, [async () => callWith(`${publicApp.url}/api/me/active`, await issuer.sign())]],
];

test('the tests cover every row of the table', () => {
  expect(rows.map(([status]) => Number(status))).toEqual(causes.map(([status]) => status));
});

describe.each(rows.map((row, index) => [...row, index] as const))(
  'the %s response (%s)',
  (...cells) => {
    const [status, , challenge = ''] = cells;
    const [, ways] = causes[Number(cells.at(-1))] ?? [0, []];

    test.each(ways.map((way) => [way] as const))(
      'is as docs/api.md describes it, cause %#',
      async (way) => {
        const response = await way();
        expect(response.status).toBe(Number(status));
        expect(response.body).toBeTypeOf('object');
        expect(response.headers['cache-control']).toBe('no-store');
        const [code] = inlineCode(String(challenge)).filter((text) => text.startsWith('error='));
        if (String(challenge).startsWith('none')) expect(response.challenge).toBeUndefined();
        else if (code !== undefined) expect(response.challenge).toContain(code);
        else expect(response.challenge).toMatch(/^(?!.*error=).*resource_metadata=/);
      },
    );
  },
);

test.each([
  ['Allow', 405, () => call(me(), { method: 'POST' })],
  ['Retry-After', 503, introspectionAway],
] as const)('%s comes with %i only', async (name, status, way) => {
  const said = rows.filter(([, ...cells]) => cells.join(' ').includes(`\`${name}\``));
  expect(said.map(([one]) => Number(one))).toEqual([status]);
  expect((await way()).headers[name.toLowerCase()]).toBeDefined();
});
