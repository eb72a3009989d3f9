// Long but valid values work up to a limit; beyond it they are cut between characters, left out or
// refused.
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, untilReady, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import {
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  issuer.vary = { metadata: { end_session_endpoint: `${issuer.url}/oauth2/logout` } };
  app = await startTestApp({ env: issuer.env });
  await untilReady(app);
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

async function signedIn(variation: Variation): Promise<Browser> {
  issuer.vary = variation;
  const browser = new Browser();
  const page = await browser.open(`${app.url}/profile`);
  expect([page.status, page.url.pathname]).toEqual([200, '/profile']);
  return browser;
}

/** The response to these bytes, headers and body. */
async function sendRaw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(app.url).port), 'localhost');
  await once(socket, 'connect');
  socket.write(bytes);
  return text(socket);
}

describe('the app', () => {
  it('accepts an authorization code of 6,000 characters', async () => {
    const code = `code-${String(issuer.authorizations.length + 1).padStart(5_995, '0')}`;
    expect(code).toHaveLength(6_000);
    await signedIn({ redirect: { code } });
    expect(issuer.exchanges.at(-1)?.get('code')).toBe(code);
  });

  it.each([
    ['family emojis', '👨‍👩‍👧‍👦', 30],
    ['flags', '🇸🇪', 100],
    ['combining accents', 'é̩', 120],
    ['letters', 'x', 300],
  ])('cuts a long name of %s between characters', async (_, character, times) => {
    const browser = await signedIn({ idToken: { name: character.repeat(times) } });
    const [, shown = ''] = /Name (\S+) E-mail/.exec(plainText(browser.page?.body ?? '')) ?? [];
    expect(shown.length).toBeGreaterThan(200);
    expect(shown.length).toBeLessThanOrEqual(256);
    expect(shown).toBe(character.repeat(shown.length / character.length));
  });

  it('does not cut a name of 256 characters', async () => {
    const browser = await signedIn({ idToken: { name: 'y'.repeat(256) } });
    expect(browser.page?.body).toContain('y'.repeat(256));
  });

  it('leaves id_token_hint out of a sign-out URL that would be longer than 4 kB', async () => {
    const long = await signedIn({ idToken: { roles: 'r'.repeat(4_000) } });
    const out = await long.press('Sign out');
    expect(out.location?.pathname).toBe('/oauth2/logout');
    expect([...(out.location?.searchParams.keys() ?? [])].toSorted()).toEqual([
      'client_id',
      'post_logout_redirect_uri',
      'state',
    ]);
    expect(long.jar.find('session')).toBeUndefined();
    const short = await signedIn({});
    expect((await short.press('Sign out')).location?.searchParams.get('id_token_hint')).toMatch(
      /^ey/,
    );
  });

  it('refuses headers larger than 16 kB with 431 and a message that repeats no header', async () => {
    const bearer = `Authorization: Bearer ${'t'.repeat(17_000)}`;
    const response = await sendRaw(`GET /api/me HTTP/1.1\r\nHost: x\r\n${bearer}\r\n\r\n`);
    expect(response).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    const body = JSON.parse(response.split('\r\n\r\n')[1] ?? '') as { message: string };
    expect(body.message).toContain('larger than 16 kB');
    expect(response).not.toContain('tttt');
  });

  it('refuses bytes that are not HTTP with 400 and a message', async () => {
    const response = await sendRaw('what is this\r\n\r\n');
    expect(response).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(response).toContain('not a valid HTTP request');
  });
});
