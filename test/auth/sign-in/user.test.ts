// Who a person is after the sign-in: from the verified ID token, from UserInfo where that lacks a
// name, the organization from the access token. At an issuer that says what each test wants.
import type { RequestListener } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
  type Variation,
} from '../../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: issuer.env });
});
afterEach(() => {
  issuer.vary = {};
  issuer.hits.clear();
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

/** The profile of who signs in at this issuer, as text. */
async function profile(variation: Variation, browser = new Browser()): Promise<string> {
  issuer.vary = variation;
  await browser.open(`${app.url}/login?return_to=/profile`);
  return plainText(browser.page?.body ?? '');
}

const outOfOrder: RequestListener = (_req, res) => res.writeHead(500).end();
const nameless = { name: undefined, email: undefined };

describe('name and e-mail', () => {
  it('come from the ID token, and UserInfo is not asked then', async () => {
    expect(await profile({})).toContain('Name Nora Test E-mail nora@example.com User id user_01');
    expect(issuer.hits.get('/oauth2/userinfo')).toBeUndefined();
  });

  it('come from UserInfo where the ID token lacks them', async () => {
    const userInfo = { name: 'Uma Info', email: 'uma@example.com' };
    const shown = await profile({ idToken: nameless, userInfo });
    expect(shown).toContain('Name Uma Info E-mail uma@example.com');
  });

  it('come from UserInfo one by one; what the ID token says stays', async () => {
    const userInfo = { name: 'Uma Info', email: 'uma@example.com' };
    const shown = await profile({ idToken: { name: undefined }, userInfo });
    expect(shown).toContain('Name Uma Info E-mail nora@example.com');
  });

  it('are made of given and family name where there is no name', async () => {
    const idToken = { name: ' ', given_name: 'Nora', family_name: 'Parts' };
    expect(await profile({ idToken })).toContain('Name Nora Parts');
  });

  it('are not asked for at UserInfo when they were no part of the scope', async () => {
    await app.restart({ OAUTH_SCOPE: 'openid' });
    expect(await profile({ idToken: nameless })).toContain('AuthKit sent no name');
    expect(issuer.hits.get('/oauth2/userinfo')).toBeUndefined();
    await app.restart({ OAUTH_SCOPE: '' });
  });

  it.each<[string, Variation]>([
    ['knows none either', { idToken: nameless }],
    ['is not advertised', { idToken: nameless, metadata: { userinfo_endpoint: undefined } }],
  ])('are missing, and the sign-in goes on, when UserInfo %s', async (_case, variation) => {
    issuer.vary = variation;
    await app.restart();
    expect(await profile(variation)).toContain('AuthKit sent no name');
  });

  it('are missing, and the sign-in goes on, when UserInfo fails', async () => {
    await app.restart();
    expect(await profile({ idToken: nameless, userInfo: outOfOrder })).toContain(
      'AuthKit sent no name',
    );
  });

  it('of another sub at UserInfo refuse the sign-in', async () => {
    const browser = new Browser();
    const userInfo = { sub: 'user_02', name: 'Mallory' };
    expect(await profile({ idToken: nameless, userInfo }, browser)).toContain('Code user_mismatch');
    expect(browser.page?.status).toBe(502);
    expect(browser.jar.find('session')).toBeUndefined();
  });
});

describe('the organization', () => {
  it('is the org_id of the access token', async () => {
    expect(await profile({ accessToken: { org_id: 'org_07' } })).toContain('Organization org_07');
  });

  it.each<[string, Variation]>([
    ['has no org_id', {}],
    ['has an empty org_id', { accessToken: { org_id: '' } }],
    ['is opaque', { response: { access_token: 'an-opaque-access-token' } }],
  ])('is none where the access token %s', async (_case, variation) => {
    const browser = new Browser();
    expect(await profile(variation, browser)).toContain('Organization None');
    expect(await browser.open('/organization')).toMatchObject({ status: 403 });
  });

  it('is not read from the ID token', async () => {
    expect(await profile({ idToken: { org_id: 'org_07' } })).toContain('Organization None');
  });
});

describe('a user is issuer and sub', () => {
  it('so the same e-mail address at another sub is another person', async () => {
    const [nora, other] = [new Browser(), new Browser()];
    await profile({}, nora);
    await profile({ idToken: { sub: 'user_02' } }, other);
    const { body } = await other.open('/sessions');
    expect(body.match(/<li class="card/g)).toHaveLength(1);
  });

  it('so the same sub at another issuer is another person, and nobody is signed in there', async () => {
    const browser = new Browser();
    await profile({}, browser);
    const elsewhere = await startSignInIssuer();
    await app.restart({ AUTHKIT_ISSUER: elsewhere.url });
    expect((await browser.get('/profile')).location?.pathname).toBe('/login');

    await browser.open('/login?return_to=/sessions');
    expect(browser.page?.body.match(/<li class="card/g)).toHaveLength(1);
    await app.restart({ AUTHKIT_ISSUER: issuer.url });
    await elsewhere.close();
  });
});

describe('the seam onSignIn', () => {
  it('keeps a directory in which the API finds the person again', async () => {
    await profile({ idToken: { name: 'Dora Directory' } });
    const authorization = `Bearer ${await issuer.sign({ aud: CLIENT_ID, scope: 'profile email' })}`;
    const api = await fetch(`${app.url}/api/me`, { headers: { authorization } });
    expect(await api.json()).toMatchObject({
      sub: 'user_01',
      user: { name: 'Dora Directory', email: 'nora@example.com' },
    });
  });
});
