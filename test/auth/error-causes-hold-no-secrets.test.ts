// Host apps print errors and the causes given to onEvent. Neither may hold a token, code, secret or
// personal value, however deep it is inspected.
import { inspect } from 'node:util';
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHostApp, type HostApp } from '../support/app/host.ts';
import { json } from '../support/authkit/issuer.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';

let issuer: SignInIssuer;
let host: HostApp;
const told: unknown[] = [];

beforeAll(async () => {
  issuer = await startSignInIssuer();
  const options = {
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    clientSecret: 'planted-client-secret',
    sessionSecrets: ['planted-session-secret-0123456789'],
    onEvent: (...event: unknown[]) => void told.push(event),
  };
  host = await startHostApp(options, (app, auth) => app.use(auth.session, auth.routes));
});
afterAll(async () => {
  await host.close();
  await issuer.close();
});

/** All that a host app could print, in full. */
const print = (value: unknown) =>
  inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null });

const TOKENS = {
  access_token: 'planted-access-token',
  refresh_token: 'planted-refresh-token',
  id_token: 'planted-id-token',
};
const responding =
  (body: object, status: number): RequestListener =>
  (_req, res) =>
    json(res, body, status);

describe('an error and its causes', () => {
  it.each<[string, Variation]>([
    ['a token response without token_type', { response: { ...TOKENS, token_type: undefined } }],
    ['a token response with a malformed expires_in', { response: { ...TOKENS, expires_in: [] } }],
    [
      'a token response with an unknown token_type',
      { response: { ...TOKENS, token_type: 'planted-type' } },
    ],
    ['a malformed ID token', { response: TOKENS }],
    [
      'an ID token for another application',
      { idToken: { aud: 'planted-audience', email: 'planted-email' } },
    ],
    [
      'an error response that quotes tokens',
      { token: responding({ error: 'invalid_grant', ...TOKENS }, 400) },
    ],
    ['a response with 500 that quotes tokens', { token: responding(TOKENS, 500) }],
    [
      'an authorization response with an unknown parameter',
      { redirect: { error: 'access_denied', code: '', planted: 'planted-parameter' } },
    ],
    [
      'an authorization response of another issuer',
      { redirect: { iss: 'planted-issuer', code: 'planted-code' } },
    ],
  ])('quote nothing of %s', async (_case, variation) => {
    told.length = 0;
    host.failures.length = 0;
    issuer.vary = variation;
    const { status } = await new Browser().open(`${host.url}/login`);
    expect(status).toBeGreaterThanOrEqual(400);
    const printed = print([host.failures, told]);
    expect(printed).toContain('SignInError');
    expect(printed.match(/planted-[\w-]+/g)).toBeNull();
  });
});
