// Providers that take the client secret in the Authorization header only, as Ory Hydra does unless
// told otherwise: their metadata lists both methods, or none.
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { untilReady } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { startStrictApp, useEverything, type StrictApp } from '../support/app/strict-app.ts';
import { Browser } from '../support/browser/browser.ts';
import { plainText } from '../support/browser/forms.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

/** Each has characters that mean something else unless they are form-encoded first. */
const CLIENT = {
  client_id: 'client: 100%+ours',
  client_secret: 'a secret: 50%25+more & others/=?~ 0123456789',
  token_endpoint_auth_method: 'client_secret_basic' as const,
};
const BASIC = 'client_secret_basic';
const BY_BASIC = ['introspection', 'revocation', 'token'].map(
  (endpoint) => `${endpoint} by client_secret_basic`,
);

describe('at a provider whose client is registered for Basic', () => {
  it.each<[string, Record<string, string>, string[] | undefined]>([
    ['both methods', { OAUTH_CLIENT_AUTH: BASIC }, [BASIC, 'client_secret_post']],
    ['no method', {}, undefined],
    ['Basic', {}, [BASIC]],
  ])('everything works if its metadata lists %s', async (_, env, listed) => {
    const metadata = { token_endpoint_auth_methods_supported: listed };
    const strict = await startStrictApp({ client: CLIENT, metadata }, env);
    onTestFinished(() => strict.close());
    const { app, provider } = strict;
    await untilReady(app);
    const { found, problems } = await diagnose(app.env);
    expect(problems).toEqual([]);
    expect(found('credentials')?.found).toBe('secret accepted (client_secret_basic)');
    const offered = listed?.join(', ') ?? 'client_secret_basic (no list)';
    expect(found('offers')?.found).toMatch(`client authentication by ${offered}; userinfo, `);

    await useEverything(strict);
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);
    expect((await browser.open(`${app.url}/moderation`)).status).toBe(200);
    const headers = { authorization: `Bearer ${provider.accessTokens.at(-1)}` };
    expect((await fetch(`${app.url}/api/me/active`, { headers })).status).toBe(200);
    expect([...provider.accepted].toSorted()).toEqual(BY_BASIC);
    expect(app.log.find(({ event }) => event === 'issuer_discovered')).toMatchObject({
      authenticatedBy: 'client_secret_basic',
    });
  });
});

describe('without OAUTH_CLIENT_AUTH, at a provider that lists both methods and refuses one', () => {
  let strict: StrictApp;
  beforeAll(async () => {
    strict = await startStrictApp({ client: CLIENT });
  });
  afterAll(() => strict.close());

  const TRIED = 'This application authenticated by client_secret_post.';

  it('the page names the method and the setting', async () => {
    const page = await new Browser().open(`${strict.app.url}/profile`);
    expect(page.status).toBe(502);
    expect(plainText(page.body)).toContain(TRIED);
    expect(plainText(page.body)).toContain('OAUTH_CLIENT_AUTH');
    expect(page.body).not.toContain('50%25');
  });

  it('the log names the method', async () => {
    await new Browser().open(`${strict.app.url}/profile`);
    const line = strict.app.log.findLast(({ event }) => event === 'sign_in_failed');
    expect(line).toMatchObject({ code: 'client_refused', hint: TRIED });
  });

  it('the doctor names both methods and the line to set', async () => {
    const { found, problems } = await diagnose(strict.app.env);
    expect(problems).toEqual(['credentials']);
    expect(found('credentials')).toMatchObject({
      found: 'the secret is refused by client_secret_post and accepted by client_secret_basic',
      change: 'OAUTH_CLIENT_AUTH=client_secret_basic',
    });
    expect(found('offers')?.found).toContain('client_secret_basic, client_secret_post');
  });

  it('the doctor names the methods that it tried with a wrong secret', async () => {
    const OAUTH_APP_CLIENT_SECRET = 'not-the-secret-of-this-application';
    const { found } = await diagnose({ ...strict.app.env, OAUTH_APP_CLIENT_SECRET });
    expect(found('credentials')?.found).toMatch(
      /^the secret is refused, by client_secret_post and by client_secret_basic/,
    );
  });
});
