// The user of a session: claims of the verified ID token, name and e-mail from UserInfo if the ID
// token lacks them, and the organization from the access token.
import type { RequestListener } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { codeOn } from '../../support/browser/callback.ts';
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

/** Signs in at this issuer; returns the profile page as text. */
async function profile(variation: Variation, browser = new Browser()): Promise<string> {
  issuer.vary = variation;
  await browser.open(`${app.url}/login?return_to=/profile`);
  return plainText(browser.page?.body ?? '');
}

const outOfOrder: RequestListener = (_req, res) => res.writeHead(500).end();
const nameless = { name: undefined, email: undefined };

describe('name and e-mail', () => {
  it('come from the ID token without a request to UserInfo', async () => {
    expect(await profile({})).toContain('Name Nora Test E-mail nora@example.com User id user_01');
    expect(issuer.hits.get('/oauth2/userinfo')).toBeUndefined();
  });

  it('come from UserInfo when the ID token lacks them', async () => {
    const userInfo = { name: 'Uma Info', email: 'uma@example.com' };
    const shown = await profile({ idToken: nameless, userInfo });
    expect(shown).toContain('Name Uma Info E-mail uma@example.com');
  });

  it('come from UserInfo one by one, and never replace a claim of the ID token', async () => {
    const userInfo = { name: 'Uma Info', email: 'uma@example.com' };
    const shown = await profile({ idToken: { name: undefined }, userInfo });
    expect(shown).toContain('Name Uma Info E-mail nora@example.com');
  });

  it('are made of given_name and family_name when there is no name', async () => {
    const idToken = { name: ' ', given_name: 'Nora', family_name: 'Parts' };
    expect(await profile({ idToken })).toContain('Name Nora Parts');
  });

  it('are not requested from UserInfo when the scope does not include them', async () => {
    await app.restart({ OAUTH_SCOPE: 'openid' });
    expect(await profile({ idToken: nameless })).toContain('AuthKit sent no name');
    expect(issuer.hits.get('/oauth2/userinfo')).toBeUndefined();
    await app.restart({ OAUTH_SCOPE: '' });
  });

  it.each<[string, Variation]>([
    ['has none', { idToken: nameless }],
    ['is not advertised', { idToken: nameless, metadata: { userinfo_endpoint: undefined } }],
  ])('are missing, and the sign-in succeeds, when UserInfo %s', async (_case, variation) => {
    issuer.vary = variation;
    await app.restart();
    expect(await profile(variation)).toContain('AuthKit sent no name');
  });

  it('are missing, and the sign-in succeeds, when UserInfo fails', async () => {
    await app.restart();
    expect(await profile({ idToken: nameless, userInfo: outOfOrder })).toContain(
      'AuthKit sent no name',
    );
  });

  it('are not taken from a UserInfo response with another sub, which refuses the sign-in', async () => {
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
  ])('is absent when the access token %s', async (_case, variation) => {
    const browser = new Browser();
    expect(await profile(variation, browser)).toContain('Organization None');
    expect(await browser.open('/organization')).toMatchObject({ status: 403 });
  });

  it('is not read from the ID token', async () => {
    expect(await profile({ idToken: { org_id: 'org_07' } })).toContain('Organization None');
  });
});

describe('the identity of a user', () => {
  it('differs for another sub with the same e-mail address', async () => {
    const [nora, other] = [new Browser(), new Browser()];
    await profile({}, nora);
    await profile({ idToken: { sub: 'user_02' } }, other);
    const { body } = await other.open('/sessions');
    expect(body.match(/<li class="card/g)).toHaveLength(1);
  });

  it('differs for the same sub at another issuer, where the session is not valid', async () => {
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

describe('an access token about another user', () => {
  it('refuses the sign-in as user_mismatch', async () => {
    issuer.vary = { accessToken: { sub: 'user_02', org_id: 'org_victim' } };
    const browser = new Browser();
    const page = await browser.open(`${app.url}/login?return_to=/organization`);
    expect([page.status, codeOn(page)]).toEqual([502, 'user_mismatch']);
    expect(browser.jar.names()).not.toContain('session');
  });
});

describe('the user directory that onSignIn keeps', () => {
  it('gives the API the name and e-mail of a user', async () => {
    await profile({ idToken: { name: 'Dora Directory' } });
    const authorization = `Bearer ${await issuer.sign({ aud: CLIENT_ID, scope: 'profile email' })}`;
    const api = await fetch(`${app.url}/api/me`, { headers: { authorization } });
    expect(await api.json()).toMatchObject({
      sub: 'user_01',
      user: { name: 'Dora Directory', email: 'nora@example.com' },
    });
  });
});
