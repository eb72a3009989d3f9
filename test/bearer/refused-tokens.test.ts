// Refused calls as a table: what the call sends, and the status and error code it gets.

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, callWith } from '../support/app/bearer-app.ts';
import type { Call } from '../support/app/bearer-app.ts';
import { nowPlus, resourceMetadata, startCheckedApi } from '../support/app/checked-api.ts';
import type { CheckedApi } from '../support/app/checked-api.ts';
import { base64url, encrypt, signBytes, signWithPublicKey } from '../support/authkit/forge.ts';
import { makeKey } from '../support/authkit/issuer.ts';
import type { SigningKey } from '../support/authkit/issuer.ts';

const form = ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'] as const;
let api: CheckedApi;
let stranger: SigningKey;
let good: string;

beforeAll(async () => {
  [api, stranger] = await Promise.all([startCheckedApi(), makeKey()]);
  good = await api.issuer.sign();
});
afterAll(() => api.close());

type Row = [name: string, what: () => string | string[] | Promise<string>];

async function expectRefusal(sent: Call | string[], status: number, error: string | undefined) {
  const request = Array.isArray(sent)
    ? { headers: sent.map((value) => ['authorization', value] as const) }
    : sent;
  for (const path of ['/me', '/remembered']) {
    api.events.length = 0;
    // oxlint-disable-next-line no-await-in-loop -- each call is judged by the events it leaves
    const { status: got, challenge, headers, body } = await call(api.url + path, request);
    const description = /error_description="([\w ,:<>]+)"/.exec(challenge ?? '')?.[1];
    const params = error && `error="${error}", error_description="${description}", `;
    expect(got).toBe(status);
    expect(challenge).toBe(
      `Bearer realm="api", ${params ?? ''}resource_metadata="${resourceMetadata}"`,
    );
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual(
      error ? { error, error_description: description } : { message: expect.any(String) },
    );
    expect(api.events.filter(({ event }) => event === 'token_refused')).toHaveLength(1);
  }
}

const noCredentials: Row[] = [
  ['a call without a header', () => []],
  ['an empty header', () => ''],
  ['another scheme', () => 'Basic dXNlcjpwYXNz'],
  ['a scheme that only starts with Bearer', () => `Bearers ${good}`],
];
test.each(noCredentials)('refuses %s with 401 and no error code', async (_name, what) => {
  await expectRefusal([await what()].flat(), 401, undefined);
});

const invalidRequest: Row[] = [
  ['the scheme alone', () => 'Bearer'],
  ['a tab instead of a space', () => `Bearer\t${good}`],
  ['two tokens', () => `Bearer ${good} ${good}`],
  ['tokens joined by a comma', () => `Bearer ${good}, Bearer ${good}`],
  ['tokens joined without a space', () => `Bearer ${good},${good}`],
  ['another scheme first, joined by a comma', () => `Basic dXNlcjpwYXNz, Bearer ${good}`],
  ['a quoted token', () => `Bearer "${good}"`],
  ['bytes that are not ASCII', () => 'Bearer tök\u00a0en'],
  ['two headers with the same token', () => [`Bearer ${good}`, `Bearer ${good}`]],
  ['two headers, the first empty', () => ['', `Bearer ${good}`]],
  ['two headers, the second another scheme', () => [`Bearer ${good}`, 'Basic dXNlcjpwYXNz']],
];
test.each(invalidRequest)('refuses %s with 400 invalid_request', async (_name, what) => {
  await expectRefusal([await what()].flat(), 400, 'invalid_request');
});

describe('a token outside the header', () => {
  test.each(['?access_token=', '?a=b&access_token=', '?access%5Ftoken=', '?%61ccess_token='])(
    'is refused with 400 invalid_request in the query as %s, with and without a header',
    async (query) => {
      for (const headers of [[], [['authorization', `Bearer ${good}`] as const]]) {
        // oxlint-disable-next-line no-await-in-loop -- two calls
        const { status, challenge } = await call(`${api.url}/me${query}${good}`, { headers });
        expect(status).toBe(400);
        expect(challenge).toContain('error="invalid_request"');
      }
    },
  );

  test('is refused with 400 invalid_request in a form, without waiting for its body', async () => {
    const headers = [form, ['content-length', '1000000']] as const;
    await expectRefusal({ method: 'POST', headers, body: '' }, 400, 'invalid_request');
  });
});

const forms: [string, Call][] = [
  ['GET with the Content-Type of a form', { headers: [form] }],
  ['GET with an empty form', { headers: [form, ['content-length', '0']] }],
  ['GET with a form, which has no meaning there', { headers: [form], body: 'a=b' }],
  ['POST of an empty form', { method: 'POST', headers: [form, ['content-length', '0']] }],
  ['POST of another Content-Type', { method: 'POST', headers: [['content-type', 'text/plain']] }],
];
test.each(forms)('refuses %s and no token with 401 and no error code', async (_name, what) => {
  await expectRefusal(what, 401, undefined);
});

test('refuses HEAD with the Content-Type of a form and no token with 401', async () => {
  const { status, challenge } = await call(`${api.url}/me`, { method: 'HEAD', headers: [form] });
  expect(status).toBe(401);
  expect(challenge).not.toContain('error=');
});

const decoded = (payload: unknown, header: object = {}) =>
  `Bearer ${signBytes({ alg: 'RS256', kid: api.issuer.key.kid, ...header }, payload, api.issuer.key)}`;
const unsigned = (alg: string, signature: string) =>
  `Bearer ${base64url({ alg, kid: api.issuer.key.kid })}.${good.split('.')[1]}.${signature}`;
const signed = async (claims: Record<string, unknown>, header = {}, key?: SigningKey) =>
  `Bearer ${await api.issuer.sign(claims, header, key)}`;

const invalidTokens: Row[] = [
  ['an opaque string', () => 'Bearer opaque'],
  ['a megabyte', () => `Bearer ${'a'.repeat(1024 * 1024)}`],
  ['a megabyte with dots', () => `Bearer ${'eyJ.'.repeat(256 * 1024)}`],
  ['a token of two parts', () => `Bearer ${good.split('.').slice(0, 2).join('.')}`],
  ['a token of four parts', () => `Bearer ${good}.${good.split('.')[2]}`],
  ['a token of empty parts', () => 'Bearer ..'],
  ['a token without a signature', () => unsigned('RS256', '')],
  ['an encrypted token', async () => `Bearer ${await encrypt(api.issuer)}`],
  ['alg none', () => unsigned('none', '')],
  ['alg none with a signature', () => unsigned('none', good.split('.')[2] ?? '')],
  ['alg nOnE', () => unsigned('nOnE', 'AAAA')],
  ['alg RS512', () => decoded(api.issuer.claims(), { alg: 'RS512' })],
  ['alg as a list', () => decoded(api.issuer.claims(), { alg: ['RS256'] })],
  [
    'HS256 keyed with the public key',
    async () => `Bearer ${await signWithPublicKey(api.issuer, api.issuer.key.publicKey)}`,
  ],
  ['a header that is not JSON', () => `Bearer ${base64url('{')}.${base64url('{}')}.AAAA`],
  ['a header that is null', () => `Bearer ${base64url('null')}.${base64url('{}')}.AAAA`],
  ['a nested header', () => `Bearer ${base64url('['.repeat(3000))}.${base64url('{}')}.AAAA`],
  ['a payload that is not JSON', () => decoded('{"iss"')],
  ['a payload that is a list', () => decoded([api.issuer.claims()])],
  ['a payload that is null', () => decoded('null')],
  ['a nested payload', () => decoded('{"a":'.repeat(900) + '1' + '}'.repeat(900))],
  ['a token in a token', () => decoded(good, { cty: 'JWT' })],
  ['a token without kid that no key signed', () => signed({}, { kid: undefined }, stranger)],
  ['a kid that is a number', () => decoded(api.issuer.claims(), { kid: 1 })],
  ['a kid that is a path', () => signed({}, { kid: '../../../../dev/null' })],
  ['a kid that is SQL', () => signed({}, { kid: "x' UNION SELECT 'key' --" })],
  ['a kid that is __proto__', () => signed({}, { kid: '__proto__' })],
  ['a kid with control characters', () => signed({}, { kid: 'k\u0000\u202eid😀' })],
  ['an unknown crit header', () => decoded(api.issuer.claims(), { crit: ['x'], x: 1 })],
  ['an empty crit header', () => decoded(api.issuer.claims(), { crit: [] })],
  ['an unencoded payload', () => decoded(api.issuer.claims(), { crit: ['b64'], b64: false })],
  ['the typ of a logout token', () => signed({}, { typ: 'logout+jwt' })],
  ['the typ of an ID token', () => signed({}, { typ: 'id+jwt' })],
  ['a foreign key under our kid', () => signed({}, { kid: api.issuer.key.kid }, stranger)],
  ['a foreign key in jwk', () => signed({}, { jwk: stranger.jwk, kid: stranger.kid }, stranger)],
  ['a foreign key in jku', () => signed({}, { jku: 'http://127.0.0.1:9/' }, stranger)],
  ['a foreign key in x5u', () => signed({}, { x5u: 'http://127.0.0.1:9/' }, stranger)],
  ['an expired token', () => signed({ exp: nowPlus(-60) })],
  ['a token without exp', () => signed({ exp: undefined })],
  ['exp as a string', () => signed({ exp: '9999999999' })],
  [
    'an infinite exp',
    () => decoded(JSON.stringify(api.issuer.claims()).replace(/"exp":\d+/, '"exp":1e999')),
  ],
  ['nbf a minute ahead', () => signed({ nbf: nowPlus(60) })],
  ['another issuer', () => signed({ iss: 'https://evil.example' })],
  ['the issuer with a trailing slash', () => signed({ iss: `${api.issuer.url}/` })],
  ['the issuer in a list', () => signed({ iss: [api.issuer.url] })],
  ['a token without iss', () => signed({ iss: undefined })],
  ['another audience', () => signed({ aud: 'client_app' })],
  ['an audience that only starts like ours', () => signed({ aud: 'client_environment2' })],
  ['a token without aud', () => signed({ aud: undefined })],
  ['a token without sub', () => signed({ sub: undefined })],
  ['an empty sub', () => signed({ sub: '' })],
  ['sub as an object', () => signed({ sub: { $ne: null } })],
  ['scope as a list', () => signed({ scope: ['admin'] })],
  ['client_id as a number', () => signed({ client_id: 7 })],
  ['org_id as a list', () => signed({ org_id: ['org_1'] })],
];
test.each(invalidTokens)('refuses %s with 401 invalid_token', async (_name, what) => {
  await expectRefusal([await what()].flat(), 401, 'invalid_token');
});

test('keeps every part of a refused token out of the response and the log', async () => {
  const token = await api.issuer.sign({ aud: 'planted-audience', sub: 'planted-sub' });
  const response = JSON.stringify(await callWith(`${api.url}/me`, token));
  for (const part of [...token.split('.'), 'planted']) expect(response).not.toContain(part);
  const log = JSON.stringify(api.events);
  for (const part of [...token.split('.'), 'planted']) expect(log).not.toContain(part);
});

test('refuses a good token with any single byte changed', async () => {
  await callWith(`${api.url}/remembered`, good);
  const change = fc.record({
    at: fc.integer({ min: 0, max: good.length - 1 }),
    byte: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCodePoint(code)),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, byte }) => {
      fc.pre(good[at] !== byte);
      const changed = good.slice(0, at) + byte + good.slice(at + 1);
      const { status } = await callWith(`${api.url}/remembered`, changed);
      expect([400, 401]).toContain(status);
    }),
    { numRuns: 500 },
  );
  // Decoders ignore some bits of the last character: each of its values, once.
  const spellings = Array.from({ length: 0x7f - 0x21 }, (_, i) => String.fromCodePoint(0x21 + i));
  const others = spellings.filter((last) => last !== good.at(-1));
  const responses = await Promise.all(
    others.map((last) => callWith(`${api.url}/remembered`, good.slice(0, -1) + last)),
  );
  expect(responses.filter(({ status }) => status < 400)).toEqual([]);
  expect((await callWith(`${api.url}/remembered`, good)).status).toBe(200);
});

test('a token in a cookie: 401 without an error code', async () => {
  await expectRefusal({ headers: [['cookie', `access_token=${good}`]] }, 401, undefined);
});
