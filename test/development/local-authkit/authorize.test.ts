// The local AuthKit's metadata documents and its authorization endpoint, over HTTP.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import { signInOverHttp, type CookieJar } from '../../../src/development/local-authkit/test-kit.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';

let authkit: LocalAuthKit;
let firstParty: LocalClient;
let publicApp: LocalClient;
let thirdParty: LocalClient;

beforeAll(async () => {
  const resources = ['https://api.example.com'];
  authkit = await startTestAuthKit({ redirectUris: [REDIRECT_URI], resources });
  const { issuer, applications } = authkit;
  const { firstParty: first, publicApp: open, thirdParty: third } = applications;
  firstParty = new LocalClient(issuer, first.clientId, first.clientSecrets[0]);
  publicApp = new LocalClient(issuer, open.clientId);
  thirdParty = new LocalClient(issuer, third.clientId, third.clientSecret);
});
afterAll(() => authkit.close());

async function getJson(path: string, issuer = authkit.issuer): Promise<Record<string, unknown>> {
  const response = await fetch(new URL(path, issuer));
  expect(response.status).toBe(200);
  return JSON.parse(await response.text());
}

/** The authorization response that the client gets when no screen is shown. */
async function responseWithoutScreen(url: URL): Promise<Record<string, string>> {
  const response = await fetch(url, { redirect: 'manual' });
  const location = new URL(response.headers.get('location') ?? 'about:blank');
  expect(`${location.origin}${location.pathname}`).toBe(REDIRECT_URI);
  return Object.fromEntries(location.searchParams);
}

describe('discovery', () => {
  const revocation = ['revocation_endpoint', 'revocation_endpoint_auth_methods_supported'];
  const openid = [
    'authorization_endpoint',
    'device_authorization_endpoint',
    'grant_types_supported',
    'id_token_signing_alg_values_supported',
    'introspection_endpoint',
    'issuer',
    'jwks_uri',
    'response_types_supported',
    'scopes_supported',
    'subject_types_supported',
    'token_endpoint',
    'token_endpoint_auth_methods_supported',
    'userinfo_endpoint',
  ];
  const oauth = [
    'authorization_endpoint',
    'code_challenge_methods_supported',
    'device_authorization_endpoint',
    'grant_types_supported',
    'introspection_endpoint',
    'issuer',
    'jwks_uri',
    'response_modes_supported',
    'response_types_supported',
    'scopes_supported',
    'token_endpoint',
    'token_endpoint_auth_methods_supported',
  ];

  it.each([
    ['/.well-known/openid-configuration', openid],
    ['/.well-known/oauth-authorization-server', oauth],
  ])('%s has exactly the members of a live AuthKit, plus revocation', async (path, members) => {
    const document = await getJson(path);
    expect(Object.keys(document).toSorted()).toEqual([...members, ...revocation].toSorted());
    expect(document['issuer']).toBe(authkit.issuer);
  });

  it('names grants and PKCE in each document as AuthKit does', async () => {
    const device = 'urn:ietf:params:oauth:grant-type:device_code';
    const grants = ['authorization_code', 'client_credentials', 'refresh_token', device];
    const document = await getJson('/.well-known/openid-configuration');
    expect(document['grant_types_supported']).toEqual(grants);
    const other = await getJson('/.well-known/oauth-authorization-server');
    expect(other['grant_types_supported']).toEqual(['authorization_code', 'refresh_token', device]);
    expect(other['code_challenge_methods_supported']).toEqual(['S256']);
    expect(other['response_modes_supported']).toEqual(['query']);
  });

  it('follows the options to leave out revocation and to add an end_session endpoint', async () => {
    const switches = { revocation: false, endSession: true };
    const other = await startTestAuthKit({ redirectUris: [], ...switches });
    const document = await getJson('/.well-known/openid-configuration', other.issuer);
    expect(Object.keys(document).toSorted()).toEqual(
      [...openid, 'end_session_endpoint'].toSorted(),
    );
    const response = await fetch(`${other.issuer}/oauth2/revoke`, { method: 'POST' });
    expect(response.status).toBe(404);
    await other.close();
  });

  it('gives 404 at the paths it does not advertise', async () => {
    for (const path of ['/oauth2/logout', '/oauth2/register', '/oauth2/par', '/me', '/request']) {
      expect([path, (await fetch(authkit.issuer + path)).status]).toEqual([path, 404]);
    }
  });
});

describe('the authorization endpoint', () => {
  it('returns code and state and nothing else', async () => {
    const back = await signInOverHttp(firstParty.authorizationUrl(), { person: 'Ada Lindqvist' });
    expect([...back.searchParams.keys()]).toEqual(['code', 'state']);
    expect(back.searchParams.get('state')).toBe('the-state');
  });

  it('works without nonce, state and scope', async () => {
    const url = firstParty.authorizationUrl({ nonce: '', state: '', scope: '' });
    const back = await signInOverHttp(url, { person: 'Ada Lindqvist' });
    expect([...back.searchParams.keys()]).toEqual(['code']);
  });

  it.each([
    ['an unknown scope', { scope: 'openid posts:burn' }, 'invalid_scope'],
    ['an unknown resource', { resource: 'https://other.example' }, 'invalid_target'],
    ['another response type', { response_type: 'none' }, 'unsupported_response_type'],
    ['another response mode', { response_mode: 'form_post' }, 'unsupported_response_mode'],
    ['PKCE with plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['prompt=none without a session', { prompt: 'none' }, 'login_required'],
  ])('reports %s at the redirect URI', async (_, parameters, error) => {
    const response = await responseWithoutScreen(firstParty.authorizationUrl(parameters));
    expect(response).toEqual({ error, error_description: expect.anything(), state: 'the-state' });
  });

  it('requires PKCE of a Public application only', async () => {
    const without = { code_challenge: '', code_challenge_method: '' };
    const response = await responseWithoutScreen(publicApp.authorizationUrl(without));
    expect(response['error']).toBe('invalid_request');
    const back = await signInOverHttp(firstParty.authorizationUrl(without), { person: 'Ada' });
    expect(back.searchParams.has('code')).toBe(true);
  });

  it.each([
    ['an unknown client id', { client_id: 'client_unknown' }, 'application_not_found'],
    ['no client id', { client_id: '' }, 'invalid_request'],
    ['another path', { redirect_uri: `${REDIRECT_URI}/x` }, 'invalid_redirect_uri'],
    ['a trailing slash', { redirect_uri: `${REDIRECT_URI}/` }, 'invalid_redirect_uri'],
    [
      'another port',
      { redirect_uri: REDIRECT_URI.replace('3000', '3001') },
      'invalid_redirect_uri',
    ],
    ['a query', { redirect_uri: `${REDIRECT_URI}?a=b` }, 'invalid_redirect_uri'],
    ['no redirect URI', { redirect_uri: '' }, 'invalid_request'],
  ])('redirects to its own error page, with status 200, for %s', async (_, parameters, code) => {
    const response = await fetch(firstParty.authorizationUrl(parameters), { redirect: 'manual' });
    expect(response.status).toBe(302);
    const location = response.headers.get('location') ?? '';
    expect(`${location}&`).toContain(`${authkit.issuer}/oauth2/error?error=${code}&`);
    const page = await fetch(location, { redirect: 'manual' });
    expect(page.status).toBe(200);
    expect(plainText(await page.text())).toContain(`Error code: ${code}`);
  });

  it('ignores parameters that AuthKit does not document', async () => {
    const url = firstParty.authorizationUrl({
      max_age: '0',
      prompt: 'select_account',
      claims: '{',
    });
    const back = await signInOverHttp(url, { person: 'Ada Lindqvist' });
    expect(back.searchParams.has('code')).toBe(true);
  });
});

describe('the local AuthKit', () => {
  it('asks once while its session lasts, and again with prompt=login', async () => {
    const browser = new Browser();
    await browser.open(firstParty.authorizationUrl());
    await browser.press('Ada Lindqvist').then((page) => browser.get(page.location ?? ''));
    const silent = await browser.get(publicApp.authorizationUrl());
    expect(silent.location?.searchParams.has('code')).toBe(true);
    const again = await browser.open(publicApp.authorizationUrl({ prompt: 'login' }));
    expect(plainText(again.body)).toContain('choose who you are');
  });

  it('lets a second user sign in over the session of the first', async () => {
    const jar: CookieJar = new Map();
    await signInOverHttp(firstParty.authorizationUrl(), { person: 'Ada Lindqvist', jar });
    const url = firstParty.authorizationUrl({ prompt: 'login' });
    const back = await signInOverHttp(url, { person: 'Bruno Okafor', jar });
    const { body } = await firstParty.exchange(back.searchParams.get('code') ?? '');
    const [, payload = ''] = body['id_token']?.split('.') ?? [];
    const { name } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(name).toBe('Bruno Okafor');
  });

  it('asks a user with several organizations to choose on each authorization', async () => {
    const jar: CookieJar = new Map();
    const choices = { person: 'Chiara Fontana', jar };
    await signInOverHttp(firstParty.authorizationUrl(), choices);
    const browser = new Browser();
    const silent = await responseWithoutScreen(firstParty.authorizationUrl({ prompt: 'none' }));
    expect(silent['error']).toBe('login_required');
    await browser.open(firstParty.authorizationUrl());
    const picker = await browser.follow(await browser.press('Chiara Fontana'));
    expect(plainText(picker.body)).toContain('Choose an organization');
    const again = await browser.open(firstParty.authorizationUrl());
    expect(plainText(again.body)).toContain('Choose an organization');
    const none = await browser.get(firstParty.authorizationUrl({ prompt: 'none' }));
    expect(none.location?.searchParams.get('error')).toBe('interaction_required');
  });

  it('asks for consent once per user and scopes, for a third-party application only', async () => {
    const browser = new Browser();
    const scope = 'openid profile';
    await browser.open(thirdParty.authorizationUrl({ scope }));
    const consent = await browser.follow(await browser.press('Bruno Okafor'));
    const text = plainText(consent.body);
    expect(text).toContain('Ledgerly requests access');
    expect(text).toContain('Paper Lantern Ltd');
    expect(text).toContain('Read your name');
    expect(text).not.toContain('e-mail address');
    expect(consent.body).toMatch(/<source media="\(prefers-color-scheme: dark\)"/);
    await browser.press('Allow').then((page) => browser.get(page.location ?? ''));
    const same = await browser.get(thirdParty.authorizationUrl({ scope: 'openid' }));
    expect(same.location?.searchParams.has('code')).toBe(true);
    const more = await browser.open(thirdParty.authorizationUrl({ scope: `${scope} email` }));
    expect(plainText(more.body)).toContain('e-mail address');
    const denied = await browser.press('Deny');
    const response = await browser.get(denied.location ?? '');
    expect(response.location?.searchParams.get('error')).toBe('access_denied');
  });

  it('asks for consent again for another organization of the same user', async () => {
    const scope = 'openid';
    const jar: CookieJar = new Map();
    const choices = { person: 'Chiara Fontana', organization: 'Blue Kiln Studio', jar };
    await signInOverHttp(thirdParty.authorizationUrl({ scope }), choices);
    const silent = { ...choices, consent: 'deny' } as const;
    const again = await signInOverHttp(thirdParty.authorizationUrl({ scope }), silent);
    expect(again.searchParams.has('code')).toBe(true);
    const other = { ...silent, organization: 'Meridian Labs' };
    const denied = await signInOverHttp(thirdParty.authorizationUrl({ scope }), other);
    expect(denied.searchParams.get('error')).toBe('access_denied');
  });

  it('names the screen on which a choice is missing', async () => {
    const attempt = signInOverHttp(firstParty.authorizationUrl(), { person: 'Nobody' });
    await expect(attempt).rejects.toThrow('No button for these choices on "Sign in"');
  });

  it('refuses a choice that the screen does not offer, and a screen of another session', async () => {
    const browser = new Browser();
    const page = await browser.open(firstParty.authorizationUrl());
    const unknown = await browser.post(page.url, { person: 'user_unknown' });
    expect([unknown.status, plainText(unknown.body)]).toEqual([
      400,
      expect.stringContaining('invalid_choice'),
    ]);
    const other = await new Browser().get(page.url);
    expect([other.status, plainText(other.body)]).toEqual([
      400,
      expect.stringContaining('session_expired'),
    ]);
  });

  it('signs the user out of its own session, and then asks again', async () => {
    const browser = new Browser();
    await browser.open(firstParty.authorizationUrl());
    await browser.press('Ada Lindqvist').then((page) => browser.get(page.location ?? ''));
    const page = await browser.open(`${authkit.issuer}/oauth2/sign-out`);
    expect(plainText(page.body)).toContain('signed in as Ada Lindqvist');
    const elsewhere = { 'sec-fetch-site': 'same-site' };
    const foreign = await browser.post(page.url, {}, { headers: elsewhere, from: REDIRECT_URI });
    expect(foreign.status).toBe(403);
    await browser.open(`${authkit.issuer}/oauth2/sign-out`);
    const done = await browser.press('Sign out');
    expect(plainText(done.body)).toContain('You are signed out of the local AuthKit');
    const next = await browser.open(firstParty.authorizationUrl());
    expect(plainText(next.body)).toContain('choose who you are');
  });
});
