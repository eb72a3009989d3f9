// Whole sign-ins over HTTP, through the screens of the local AuthKit, for each kind of application.
import { once } from 'node:events';
import { request as send, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type Kind, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';

const people = [
  { person: 'Ada', email: 'ada.lindqvist@example.com', organization: '' },
  { person: 'Bruno', email: 'bruno.okafor@example.com', organization: '' },
  { person: 'Chiara', email: 'chiara.fontana@example.com', organization: 'Blue Kiln Studio' },
];

/** The parameters of the authorization request to which GET /login redirects. */
async function authorizationRequest(app: TestApp, query = ''): Promise<Record<string, string>> {
  const { location } = await new Browser().get(`${app.url}/login${query}`);
  return Object.fromEntries(location?.searchParams ?? []);
}

describe.each<Kind>(['firstParty', 'publicApp', 'thirdParty'])('a %s application', (kind) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ kind });
  });
  afterAll(() => app.close());

  it.each(people)('signs in $person and returns to the requested page', async (someone) => {
    const { page } = await signIn(app, someone);
    expect(page?.url.href).toBe(`${app.url}/profile`);
    const { sub, name, organizations } =
      app.authKit.people.find(({ email }) => email === someone.email) ?? {};
    const shown = plainText(page?.body ?? '');
    expect(shown).toContain(`Name ${name}`);
    expect(shown).toContain(`E-mail ${someone.email}`);
    expect(shown).toContain(`User id ${sub}`);
    expect(shown).toContain(`Organization ${organizations?.[0]?.id ?? 'None'}`);
  });

  it('sends PKCE, state and nonce, although the metadata does not list PKCE', async () => {
    const request = await authorizationRequest(app);
    expect(request).toEqual({
      client_id: app.env['OAUTH_APP_CLIENT_ID'],
      redirect_uri: `${app.url}/callback`,
      response_type: 'code',
      scope: 'openid profile email offline_access',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
    const another = await authorizationRequest(app);
    for (const name of ['state', 'nonce', 'code_challenge']) {
      expect(another[name]).not.toBe(request[name]);
    }
  });
});

describe('the organization of a user', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('is the one the user chose, until they switch to another', async () => {
    const [kiln, north] = app.authKit.people.find(({ name }) => name.startsWith('Chiara'))
      ?.organizations ?? [{ id: '' }];
    const browser = await signIn(app, {
      person: 'Chiara',
      organization: 'Blue Kiln Studio',
      path: '/organization',
    });
    expect(plainText(browser.page?.body ?? '')).toContain(`Organization id ${kiln?.id}`);

    expect(browser.page?.body).toContain('href="/login?return_to=%2Forganization"');
    await browser.open('/login?return_to=%2Forganization');
    expect(browser.page?.body).toContain('Choose an organization');
    await browser.follow(await browser.press('Meridian Labs'));
    expect(browser.page?.url.href).toBe(`${app.url}/organization`);
    expect(plainText(browser.page?.body ?? '')).toContain(`Organization id ${north?.id}`);
    await browser.open('/profile');
    expect(plainText(browser.page?.body ?? '')).toContain(`Organization ${north?.id}`);
  });

  it('is chosen without a screen when the user has only one', async () => {
    const browser = await signIn(app, { person: 'Bruno', path: '/organization' });
    const [harbour] = app.authKit.people.find(({ name }) => name.startsWith('Bruno'))
      ?.organizations ?? [{ id: '' }];
    expect(plainText(browser.page?.body ?? '')).toContain(`Organization id ${harbour?.id}`);
  });
});

describe('the consent of a third-party application', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ kind: 'thirdParty' });
  });
  afterAll(() => app.close());

  it('is asked for once, and again only for more scopes', async () => {
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);
    await browser.follow(await browser.press('Bruno'));
    expect(browser.page?.body).toContain('requests access');
    await browser.follow(await browser.press('Allow'));
    expect(browser.page?.url.pathname).toBe('/profile');

    await browser.open('/login?return_to=/profile');
    expect(browser.page?.url.href).toBe(`${app.url}/profile`);

    await app.restart({ OAUTH_SCOPE: 'openid profile email offline_access posts:read' });
    await browser.open('/login?return_to=/profile');
    expect(browser.page?.body).toContain('Read posts');
    await browser.follow(await browser.press('Allow'));
    expect(browser.page?.url.href).toBe(`${app.url}/profile`);
    expect(plainText(browser.page?.body ?? '')).toContain('posts:read A permission of your role');
  });

  it('leads to a page with access_denied and a link to try again when it is denied', async () => {
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);
    await browser.follow(await browser.press('Ada'));
    await browser.follow(await browser.press('Deny'));
    expect(browser.page).toMatchObject({ status: 403 });
    expect(browser.page?.body).toContain('<code>access_denied</code>');
    expect(browser.page?.body).toContain('href="/login?return_to=%2Fprofile"');
    expect(browser.jar.find('session')).toBeUndefined();
  });
});

describe('GET /login', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('starts a sign-in for a signed-in user too', async () => {
    const browser = await signIn(app);
    const { status, location } = await browser.get(`${app.url}/login`);
    expect(status).toBe(302);
    expect(location?.href).toContain(`${app.authKit.issuer}/oauth2/authorize?`);
  });

  it('starts a sign-in even with the parameters of an authorization response', async () => {
    const query = '?code=x&state=y&error=z&response=w';
    expect(await authorizationRequest(app, query)).toMatchObject({ response_type: 'code' });
  });

  it('passes prompt=login on, so AuthKit asks who the user is, and no other prompt', async () => {
    expect(await authorizationRequest(app, '?prompt=login')).toMatchObject({ prompt: 'login' });
    expect(await authorizationRequest(app, '?prompt=none')).not.toHaveProperty('prompt');

    const browser = await signIn(app, { person: 'Bruno' });
    await browser.open('/login?prompt=login&return_to=/profile');
    expect(browser.page?.body).toContain('choose who you are');
    await browser.follow(await browser.press('Ada'));
    expect(plainText(browser.page?.body ?? '')).toContain('Name Ada Lindqvist');
  });

  it('requests the configured scope and resource', async () => {
    const resource = 'https://api.example.com/';
    await app.restart({ OAUTH_SCOPE: 'openid posts:read', OAUTH_RESOURCE: resource });
    expect(await authorizationRequest(app)).toMatchObject({ scope: 'openid posts:read', resource });
  });

  it.each<[string, Record<string, string>]>([
    ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['a script', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }],
    ['a fetch', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
    ['a frame', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
    ['an embedded object', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'object' }],
    ['a prefetch', { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch;prerender' }],
    ['a prefetch by an old Firefox', { 'x-moz': 'prefetch' }],
    ['a preview by an old Safari', { 'x-purpose': 'preview' }],
  ])('starts no sign-in for %s, and drops no pending one', async (_, headers) => {
    const browser = new Browser();
    await browser.get(`${app.url}/login`);
    const before = browser.jar.names();
    expect(before.filter((name) => name.startsWith('sign-in.'))).toHaveLength(1);
    for (let i = 0; i < 130; i += 1) {
      const { status, location } = await browser.get(`${app.url}/login`, { headers });
      expect([status, location]).toEqual([204, undefined]);
    }
    expect(browser.jar.names()).toEqual(before);
    // None of them counted towards the limit of 120 a minute.
    expect((await browser.get(`${app.url}/login?again`)).status).toBe(302);
  });

  it('starts a sign-in for a navigation that a service worker forwards', async () => {
    const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'empty' };
    expect((await new Browser().get(`${app.url}/login`, { headers })).status).toBe(302);
    const page = await new Browser().get(`${app.url}/profile`, { headers });
    expect([page.status, page.location?.pathname]).toEqual([302, '/login']);
  });

  it('starts a sign-in for a client without an Accept header', async () => {
    const asked = send(`${app.url}/login`).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    expect(response.resume().statusCode).toBe(302);
  });

  it.each(['HEAD', 'prefetch'])('starts no sign-in for a %s', async (kind) => {
    const browser = new Browser();
    const page =
      kind === 'HEAD'
        ? await browser.fetch(`${app.url}/login`, { method: 'HEAD' })
        : await browser.get(`${app.url}/login`, { headers: { 'sec-purpose': 'prefetch' } });
    expect(page.status).toBe(204);
    expect(browser.jar.names().filter((name) => name.startsWith('sign-in.'))).toEqual([]);
  });
});
