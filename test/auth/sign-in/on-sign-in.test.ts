// onSignIn runs before the session begins: the host app may refuse the user, and its failure ends
// the sign-in.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SignInError } from '../../../src/auth/index.ts';
import { startHostApp, type HostApp } from '../../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../../support/authkit/sign-in-issuer.ts';
import { Browser } from '../../support/browser/browser.ts';

let issuer: SignInIssuer;
let host: HostApp;
let onSignIn: () => Promise<void> | void;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  host = await startHostApp(
    { issuer: new URL(issuer.url), clientId: CLIENT_ID, onSignIn: () => onSignIn() },
    (app, auth) => app.use(auth.session, auth.routes),
  );
});
afterAll(async () => {
  await host.close();
  await issuer.close();
});

const throwing = (error: Error) => () => {
  throw error;
};
const broken = new Error('the user table is away');
const suspended = new SignInError('access_denied');

describe('a sign-in', () => {
  it.each<[string, () => Promise<void> | void, number, string]>([
    ['rejects', () => Promise.reject(broken), 503, 'on_sign_in_failed'],
    ['throws', throwing(broken), 503, 'on_sign_in_failed'],
    ['throws a SignInError', throwing(suspended), 403, 'access_denied'],
  ])('begins no session when onSignIn %s', async (_what, hook, status, code) => {
    onSignIn = hook;
    host.calls.length = 0;
    const browser = new Browser();
    const page = await browser.open(`${host.url}/login?return_to=/profile`);
    expect([page.status, JSON.parse(page.body)]).toEqual([status, { error: code }]);
    expect(host.calls).not.toContain('insert');
    expect(host.calls).not.toContain('remove');
    expect(browser.jar.names()).not.toContain('session');
  });
});
