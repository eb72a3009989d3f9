// The API accepts no ID token of its own application, whatever API_AUDIENCE is. If API_AUDIENCE is
// unset or holds the application's client id, the log says what to set: at start, and with each
// refusal it causes.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { callWith } from '../../support/app/bearer-app.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../../support/authkit/sign-in-issuer.ts';
import { audience } from '../../support/authkit/issuer.ts';

let issuer: SignInIssuer;
beforeAll(async () => {
  issuer = await startSignInIssuer();
});
afterAll(() => issuer.close());

const HINT = /^API_AUDIENCE: .*the environment’s client id/;
const bare = { client_id: undefined, scope: undefined };
const idTokens: [string, Record<string, unknown>][] = [
  ['as AuthKit issues it', { ...bare, jti: undefined, sid: undefined, nonce: 'n' }],
  ['with a jti and no nonce', { ...bare, sid: undefined }],
  ['with a jti and a sid', bare],
  ['with a jti and auth_time', { ...bare, auth_time: 1 }],
  ['with a scope and c_hash', { c_hash: 'h' }],
  ['with a scope and amr', { amr: ['pwd'] }],
];
const settings: [string, Record<string, string>][] = [
  ['unset', { API_AUDIENCE: '' }],
  ['set to the application’s client id', { API_AUDIENCE: CLIENT_ID }],
  ['set to both client ids', { API_AUDIENCE: `${audience}, ${CLIENT_ID}` }],
];

describe.each(settings)('with API_AUDIENCE %s', (_name, env) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ env: { ...issuer.env, ...env } });
  });
  afterEach(() => void app.log.splice(0));
  afterAll(() => app.close());
  const me = async (claims: Record<string, unknown>, header = {}) =>
    (await callWith(`${app.url}/api/me`, await issuer.sign(claims, header))).status;

  it('the log says at start what to set', () => {
    expect(app.log.filter(({ event }) => event === 'setting_doubtful')).toMatchObject([
      { level: 'warn', hint: expect.stringMatching(HINT) },
    ]);
  });

  it.each(idTokens)(
    'an ID token %s is refused, and the log says what to set',
    async (_, claims) => {
      expect(await me({ aud: CLIENT_ID, ...claims })).toBe(401);
      expect(app.log.filter(({ event }) => event === 'token_refused')).toMatchObject([
        { reason: 'not_an_access_token', hint: expect.stringMatching(HINT) },
      ]);
    },
  );

  it.each([
    ['scope', { client_id: undefined }, {}],
    ['client_id', { scope: undefined }, {}],
    ['typ', bare, { typ: 'at+jwt' }],
  ])('an access token that is recognized by its %s passes', async (_, claims, header) => {
    expect(await me({ aud: CLIENT_ID, ...claims }, header)).toBe(200);
  });

  it('an access token for the environment passes if that is listed, else the log says what to set', async () => {
    const isListed = env['API_AUDIENCE']?.includes(audience);
    expect(await me(bare)).toBe(isListed ? 200 : 401);
    const hint = { claim: 'aud', hint: expect.stringMatching(HINT) };
    expect(app.log.filter(({ event }) => event === 'token_refused')).toMatchObject(
      isListed ? [] : [hint],
    );
  });

  it('a refusal with another cause is logged without the hint', async () => {
    expect(await me({ aud: CLIENT_ID, exp: 1 })).toBe(401);
    expect(await me({ aud: CLIENT_ID, iss: 'https://evil.example' })).toBe(401);
    expect((await callWith(`${app.url}/api/me`, 'no.to.ken')).status).toBe(401);
    const refused = app.log.filter(({ event }) => event === 'token_refused');
    expect(refused.map(({ hint }) => hint)).toEqual([undefined, undefined, undefined]);
  });
});

describe('with API_AUDIENCE set to the environment’s client id', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ env: { ...issuer.env, API_AUDIENCE: audience } });
  });
  afterAll(() => app.close());

  it('the log has no hint', async () => {
    const statuses = [];
    for (const claims of [{ aud: CLIENT_ID, ...bare }, { aud: 'elsewhere' }, bare, {}]) {
      statuses.push((await callWith(`${app.url}/api/me`, await issuer.sign(claims))).status);
    }
    expect(statuses).toEqual([401, 401, 200, 200]);
    expect(JSON.stringify(app.log)).not.toContain('API_AUDIENCE');
  });
});
