// What `onEvent` and an error handler get as a cause may be printed whole: nothing secret is in it.
import { inspect } from 'node:util';
import express, { type ErrorRequestHandler } from 'express';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAuth, SignInError, type Auth } from '../../src/auth/index.ts';
import { openStore } from '../../src/store/index.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { json } from '../support/authkit/issuer.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../support/authkit/sign-in-issuer.ts';
import { temporaryFiles } from '../support/store/stores.ts';

const newFile = temporaryFiles();
const closers: (() => unknown)[] = [];
let issuer: SignInIssuer;
let auth: Auth;
let url: string;
let printed = '';
const print = (value: unknown) =>
  (printed += inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null }));

const show: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  print(error);
  res.status(error instanceof SignInError ? error.status : 500).json({});
};

beforeAll(async () => {
  issuer = await startSignInIssuer();
  url = `http://localhost:${await freePort()}`;
  const { store } = await openStore({ file: newFile() });
  auth = createAuth({
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    clientSecret: 'planted-client-secret',
    baseUrl: new URL(url),
    sessionSecrets: ['planted-session-secret-0123456789'],
    records: store,
    onEvent: (event, cause) => void print([event, cause]),
  });
  const host = express().use(auth.session, auth.routes).use(show);
  const server = createServer(host).listen(Number(new URL(url).port), 'localhost');
  await once(server, 'listening');
  closers.push(
    () => auth.close(),
    () => server.close(),
    () => store.close(),
    () => issuer.close(),
  );
});
afterAll(async () => {
  for (const close of closers) await close();
});

const TOKENS = {
  access_token: 'planted-access-token',
  refresh_token: 'planted-refresh-token',
  id_token: 'planted-id-token',
};
const says =
  (body: object, status: number): RequestListener =>
  (_req, res) =>
    json(res, body, status);

it.each<[string, Variation]>([
  ['a token response without a type', { response: { ...TOKENS, token_type: undefined } }],
  ['a token response with an odd lifetime', { response: { ...TOKENS, expires_in: [] } }],
  ['a token response of an unknown type', { response: { ...TOKENS, token_type: 'planted-type' } }],
  ['an ID token that is none', { response: TOKENS }],
  [
    'an ID token for another application',
    { idToken: { aud: 'planted-audience', email: 'planted-email' } },
  ],
  ['a refusal that quotes', { token: says({ error: 'invalid_grant', ...TOKENS }, 400) }],
  ['a failure that quotes', { token: says(TOKENS, 500) }],
  [
    'a response to the browser that quotes',
    { redirect: { error: 'access_denied', code: '', planted: 'planted-parameter' } },
  ],
  ['another issuer in the response', { redirect: { iss: 'planted-issuer', code: 'planted-code' } }],
])('%s', async (_, variation) => {
  printed = '';
  issuer.vary = variation;
  const browser = new Browser();
  const { status } = await browser.open(`${url}/login`);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(printed).toContain('SignInError');
  expect(printed.match(/planted-[\w-]+/g)).toBeNull();
});
