// What is sent where nothing is set: AuthKit's method at AuthKit, no secret without one, and the
// only method that a provider lists.
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { signIn, startTestApp, untilReady } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { startHostApp } from '../support/app/host.ts';
import { startStrictApp, useEverything } from '../support/app/strict-app.ts';
import { json } from '../support/authkit/issuer.ts';
import { CLIENT_ID, startSignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

describe('without OAUTH_CLIENT_AUTH', () => {
  it('AuthKit gets the secret in the body', async () => {
    const app = await startTestApp();
    onTestFinished(() => app.close());
    await signIn(app);
    const discovered = app.log.find(({ event }) => event === 'issuer_discovered');
    expect(discovered).toMatchObject({ authenticatedBy: 'client_secret_post' });
    const { found } = await diagnose(app.env);
    expect(found('credentials')?.found).toBe('secret accepted (client_secret_post)');
  });

  it('a provider that lists client_secret_post alone gets the secret in the body', async () => {
    const client = {
      client_id: 'client_01',
      client_secret: 'a-client-secret-of-the-tests',
      token_endpoint_auth_method: 'client_secret_post' as const,
    };
    const metadata = { token_endpoint_auth_methods_supported: ['client_secret_post'] };
    const strict = await startStrictApp({ client, metadata });
    onTestFinished(() => strict.close());
    await useEverything(strict);
    expect([...strict.provider.accepted].toSorted()).toEqual([
      'revocation by client_secret_post',
      'token by client_secret_post',
    ]);
  });

  it('a provider gets no secret from a Public application', async () => {
    const client = { client_id: 'client_01', token_endpoint_auth_method: 'none' as const };
    const strict = await startStrictApp({ client });
    onTestFinished(() => strict.close());
    await untilReady(strict.app);
    const { found, problems } = await diagnose(strict.app.env);
    expect(problems).toEqual([]);
    expect(found('credentials')?.found).toBe('accepted as a Public application');
    await useEverything(strict);
    expect([...strict.provider.accepted].toSorted()).toEqual([
      'revocation by none',
      'token by none',
    ]);
  });
});

describe('client_secret_basic', () => {
  it('is form-encoded before base64, letters beyond ASCII as UTF-8', async () => {
    const issuer = await startSignInIssuer();
    onTestFinished(() => issuer.close());
    let sent = '';
    issuer.vary.token = (req, res) => {
      sent = req.headers.authorization ?? '';
      json(res, { error: 'invalid_client' }, 401);
    };
    const host = await startHostApp(
      {
        issuer: new URL(issuer.url),
        clientId: CLIENT_ID,
        clientSecret: 'über: 50%+',
        clientAuthentication: 'client_secret_basic',
      },
      (app, auth) => app.use(auth.session, auth.routes),
    );
    onTestFinished(() => host.close());
    await new Browser().open(`${host.url}/login`);
    const decoded = Buffer.from(sent.replace('Basic ', ''), 'base64').toString();
    expect(decoded.replaceAll('%5F', '_')).toBe(`${CLIENT_ID}:%C3%BCber%3A+50%25%2B`);
  });
});
