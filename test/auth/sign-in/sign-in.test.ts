// Every person signs in to every kind of application, over HTTP, through the screens of the local
// AuthKit.
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

/** The parameters of the authorization request that GET /login answers with. */
async function authorizationRequest(app: TestApp, query = ''): Promise<Record<string, string>> {
  const { location } = await new Browser().get(`${app.url}/login${query}`);
  return Object.fromEntries(location?.searchParams ?? []);
}

describe.each<Kind>(['firstParty', 'publicApp', 'thirdParty'])('as a %s application', (kind) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ kind });
  });
  afterAll(() => app.close());

  it.each(people)('$person signs in and lands on the page that was wanted', async (someone) => {
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

  it('asks for a code with PKCE, state and nonce, although the metadata lists no PKCE', async () => {
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

describe('an organization', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('is the one the person chose, and another after "Switch organization"', async () => {
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

  it('is asked of nobody who has one or none', async () => {
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

  it('is asked for once, and again for more scopes only', async () => {
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

  it('that is denied gives a page that says so, and the way to try again', async () => {
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

  it('starts a sign-in for someone who is signed in too', async () => {
    const browser = await signIn(app);
    const { status, location } = await browser.get(`${app.url}/login`);
    expect(status).toBe(302);
    expect(location?.href).toContain(`${app.authKit.issuer}/oauth2/authorize?`);
  });

  it('starts a sign-in whatever the query pretends to be', async () => {
    const query = '?code=x&state=y&error=z&response=w';
    expect(await authorizationRequest(app, query)).toMatchObject({ response_type: 'code' });
  });

  it('passes prompt=login on, which asks again who it is, and no other prompt', async () => {
    expect(await authorizationRequest(app, '?prompt=login')).toMatchObject({ prompt: 'login' });
    expect(await authorizationRequest(app, '?prompt=none')).not.toHaveProperty('prompt');

    const browser = await signIn(app, { person: 'Bruno' });
    await browser.open('/login?prompt=login&return_to=/profile');
    expect(browser.page?.body).toContain('choose who you are');
    await browser.follow(await browser.press('Ada'));
    expect(plainText(browser.page?.body ?? '')).toContain('Name Ada Lindqvist');
  });

  it('asks for the scope and the resource that are set', async () => {
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
    ['a prefetch of old Firefoxes', { 'x-moz': 'prefetch' }],
    ['a preview of old Safaris', { 'x-purpose': 'preview' }],
  ])('leaves nothing behind for %s, and pushes nothing out', async (_, headers) => {
    const browser = new Browser();
    await browser.get(`${app.url}/login`);
    const before = browser.jar.names();
    expect(before.filter((name) => name.startsWith('sign-in.'))).toHaveLength(1);
    for (let i = 0; i < 130; i += 1) {
      const { status, location } = await browser.get(`${app.url}/login`, { headers });
      expect([status, location]).toEqual([204, undefined]);
    }
    expect(browser.jar.names()).toEqual(before);
    // None of them took a place under the limit of 120 a minute.
    expect((await browser.get(`${app.url}/login?again`)).status).toBe(302);
  });

  it('starts for a navigation that a service worker passes on', async () => {
    const headers = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'empty' };
    expect((await new Browser().get(`${app.url}/login`, { headers })).status).toBe(302);
    const page = await new Browser().get(`${app.url}/profile`, { headers });
    expect([page.status, page.location?.pathname]).toEqual([302, '/login']);
  });

  it('starts for a client that says nothing of what it wants', async () => {
    const asked = send(`${app.url}/login`).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    expect(response.resume().statusCode).toBe(302);
  });

  it.each(['HEAD', 'prefetch'])('leaves nothing behind for a %s', async (kind) => {
    const browser = new Browser();
    const page =
      kind === 'HEAD'
        ? await browser.fetch(`${app.url}/login`, { method: 'HEAD' })
        : await browser.get(`${app.url}/login`, { headers: { 'sec-purpose': 'prefetch' } });
    expect(page.status).toBe(204);
    expect(browser.jar.names().filter((name) => name.startsWith('sign-in.'))).toEqual([]);
  });
});
