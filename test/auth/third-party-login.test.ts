// A sign-in that another site starts (third-party-initiated login, OpenID Connect Core §4), and the
// parameters of the login URL that are handed on to AuthKit.
import express, { type RequestHandler } from 'express';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAuth, type AuthOptions, type SessionRecords } from '../../src/auth/index.ts';
import { startTestApp, untilReady, type TestApp } from '../support/app/app.ts';
import { startHostApp } from '../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';
import { Browser, type Page, type Visit } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { plainText } from '../support/browser/forms.ts';

const ELSEWHERE = 'https://portal.example/apps';

let issuer: SignInIssuer;
let app: TestApp;
beforeAll(async () => {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: issuer.env });
});
afterEach(() => void (issuer.vary = {}));
afterAll(async () => {
  await app.close();
  await issuer.close();
});

type Query = Record<string, string> | [name: string, value: string][];

/** The login URL with these parameters. */
const login = (query: Query, at = app.url) =>
  `${at}/login?${new URLSearchParams(query).toString()}`;

/** Where a sign-in ends that another site starts with these parameters. */
async function endOf(query: Query): Promise<string> {
  const { url } = await new Browser().open(login(query), { from: ELSEWHERE });
  return url.href.replace(app.url, '');
}

/** A host app with these options; `before` runs first. */
const startHost = (options: Partial<AuthOptions>, before?: RequestHandler) =>
  startHostApp({ issuer: new URL(issuer.url), clientId: CLIENT_ID, ...options }, (server, auth) => {
    if (before) server.use(before);
    server.use(auth.session, auth.routes);
  });

describe('a link of a third party', () => {
  it('starts a sign-in that ends on the page it names', async () => {
    const query = { iss: issuer.url, target_link_uri: `${app.url}/profile` };
    const page = await new Browser().open(login(query), { from: ELSEWHERE });
    expect([page.status, page.url.href]).toEqual([200, `${app.url}/profile`]);
    expect(plainText(page.body)).toContain('Nora Test');
  });

  it('signs the browser in with the state and nonce of its own sign-in', async () => {
    const state = 'state-of-the-link';
    const browser = new Browser();
    const { location } = await browser.get(login({ iss: issuer.url, state, nonce: state }));
    const sent = location?.searchParams;
    expect(sent?.get('state')).toMatch(/^[\w-]{43}$/);
    expect(sent?.get('nonce')).toMatch(/^[\w-]{43}$/);
    expect(sent?.get('code_challenge_method')).toBe('S256');
    expect(browser.jar.names().some((name) => name.startsWith('sign-in'))).toBe(true);
  });

  it('may leave out the issuer, and may name it alone', async () => {
    expect(await endOf({ target_link_uri: `${app.url}/profile` })).toBe('/profile');
    expect(await endOf({ iss: issuer.url })).toBe('/');
  });

  it('keeps the session of a signed-in user until the new sign-in completes', async () => {
    const browser = new Browser();
    await browser.open(`${app.url}/profile`);
    const session = browser.jar.find('session')?.value;
    const { location } = await browser.get(login({ iss: issuer.url }), { from: ELSEWHERE });
    expect((await browser.get(`${app.url}/profile`)).status).toBe(200);
    expect(browser.jar.find('session')?.value).toBe(session);
    await browser.open(location ?? '');
    expect(browser.jar.find('session')?.value).not.toBe(session);
  });

  it.each<[string, () => Query]>([
    ['of another issuer', () => ({ iss: 'https://evil.example' })],
    ['with one slash too many', () => ({ iss: `${issuer.url}/` })],
    ['in capitals', () => ({ iss: issuer.url.toUpperCase() })],
    ['with a space', () => ({ iss: `${issuer.url} ` })],
    ['that is empty', () => ({ iss: '' })],
    ['that begins as ours', () => ({ iss: `${issuer.url}.evil.example` })],
    [
      'twice',
      () => [
        ['iss', issuer.url],
        ['iss', issuer.url],
      ],
    ],
    [
      'beside another',
      () => [
        ['iss', issuer.url],
        ['iss', 'https://evil.example'],
      ],
    ],
  ])('is refused with an iss %s, and leads nowhere', async (_what, query) => {
    const browser = new Browser();
    const asked = issuer.authorizations.length;
    const page = await browser.open(login(query()), { from: ELSEWHERE });
    expect([page.status, codeOn(page)]).toEqual([400, 'foreign_issuer']);
    expect(plainText(page.body)).toContain('leads to a sign-in at another issuer');
    expect(browser.jar.names()).toEqual([]);
    expect(issuer.authorizations).toHaveLength(asked);
  });

  it('of another issuer is sent nowhere before discovery either', async () => {
    issuer.setDown(true);
    await app.restart();
    const url = login({ iss: 'https://evil.example' });
    const page = await new Browser().open(url, { from: ELSEWHERE });
    expect([page.status, codeOn(page)]).toEqual([503, 'issuer_unreachable']);
    issuer.setDown(false);
    await app.restart();
    await untilReady(app);
    expect(codeOn(await new Browser().open(url))).toBe('foreign_issuer');
  });

  it('starts nothing as HEAD, as a prefetch, by a script, in an image or in a frame', async () => {
    const url = login({ iss: issuer.url });
    const browser = new Browser();
    const headers = [
      { 'sec-purpose': 'prefetch' },
      { 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
      { 'sec-fetch-dest': 'iframe' },
    ];
    for (const sent of headers)
      expect((await browser.get(url, { from: ELSEWHERE, headers: sent })).status).toBe(204);
    for (const method of ['GET', 'HEAD'])
      expect((await browser.fetch(url, { method, from: ELSEWHERE })).status).toBe(204);
    expect(browser.jar.names()).toEqual([]);
  });
});

describe('target_link_uri', () => {
  it.each([
    ['a page', '/profile', '/profile'],
    ['a page with a query and a fragment', '/sessions?a=b#c', '/sessions?a=b#c'],
    ['the home page', '/', '/'],
    ['the origin alone', '', '/'],
    ['another port', '0/profile', '/'],
    ['another host that begins as ours', '.evil.example/profile', '/'],
    ['the origin as a user name', '@evil.example/profile', '/'],
    ['the login path', '/login?return_to=/profile', '/'],
    ['the callback path', '/callback?code=x&state=y', '/'],
    ['the logout path in capitals', '/LOGOUT', '/'],
    ['the login path behind dots', '/a/../login', '/'],
    ['two slashes', '//evil.example', '/'],
    ['a backslash', '/\\evil.example', '/'],
    ['a tab between slashes', '/\t/evil.example', '/'],
    ['a line break', '/profile\r\nSet-Cookie: a=b', '/'],
    ['dots that leave two slashes', '/.//evil.example', '/'],
    ['a path that is too long', `/${'a'.repeat(800)}`, '/'],
  ])('that is our origin and %s leads to %s', async (_what, rest, end) => {
    const [pathname] = end.split('?');
    const query = { iss: issuer.url, target_link_uri: app.url + rest };
    expect(new URL(await endOf(query), app.url).pathname).toBe(pathname);
  });

  it('keeps its query', async () => {
    const browser = new Browser();
    const target = `${app.url}/sessions?a=b&c=d`;
    let page = await browser.get(login({ target_link_uri: target }), { from: ELSEWHERE });
    while (page.location && page.url.pathname !== '/callback')
      page = await browser.get(page.location);
    expect(page.location?.href).toBe(target);
  });

  it.each([
    ['another origin', 'https://evil.example/profile'],
    ['a user name before our host', 'http://user@localhost/profile'],
    ['no scheme', '//localhost/profile'],
    ['a path alone', '/profile'],
    ['a script', 'javascript:alert(1)'],
    ['nothing', ''],
  ])('that is %s leads to the home page', async (_what, target) => {
    expect(await endOf({ iss: issuer.url, target_link_uri: target })).toBe('/');
  });

  it('of our host with a user name leads to the home page', async () => {
    const target = `${app.url.replace('://', '://user:pass@')}/profile`;
    expect(await endOf({ target_link_uri: target })).toBe('/');
  });

  it('that comes twice leads to the home page', async () => {
    const target: [string, string] = ['target_link_uri', `${app.url}/profile`];
    expect(await endOf([target, target])).toBe('/');
  });

  it('gives way to return_to, even to a wrong one', async () => {
    const target_link_uri = `${app.url}/profile`;
    expect(await endOf({ target_link_uri, return_to: '/sessions' })).toBe('/sessions');
    expect(await endOf({ target_link_uri, return_to: 'https://evil.example' })).toBe('/');
  });
});

/** A form that a page of another site posts to the login URL. */
function post(fields: Query, visit: Visit = {}, browser = new Browser()): Promise<Page> {
  const body = new URLSearchParams(fields).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...visit.headers };
  return send(body, { ...visit, headers }, browser);
}

function send(body: string, visit: Visit, browser = new Browser()): Promise<Page> {
  const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const headers = { accept: 'text/html', ...navigation, ...visit.headers };
  const init = { from: ELSEWHERE, ...visit, headers, method: 'POST', body };
  return browser.fetch(`${app.url}/login`, init);
}

describe('POST /login', () => {
  it('is answered by a 303 to the same by GET, without a cookie', async () => {
    const fields = { iss: issuer.url, target_link_uri: `${app.url}/profile`, login_hint: 'n@x.y' };
    const browser = new Browser();
    const page = await post(fields, {}, browser);
    expect([page.status, page.location?.href]).toEqual([303, login(fields)]);
    expect(page.headers['cache-control']).toBe('no-store');
    expect(browser.jar.names()).toEqual([]);
    const end = await browser.open(page.location ?? '', { from: ELSEWHERE });
    expect([end.status, end.url.pathname]).toEqual([200, '/profile']);
  });

  it('is taken from our own origin, from none, and from a browser that hides it', async () => {
    const fields = { iss: issuer.url };
    const visits: Visit[] = [{ from: app.url }, { from: undefined }];
    for (const visit of [...visits, { headers: { origin: 'null' } }])
      expect((await post(fields, visit)).location?.href).toBe(login(fields));
  });

  it.each(['return_to', 'prompt', 'state', 'password', 'organization_id', '__proto__'])(
    'puts no field %s into the URL',
    async (name) => {
      const { status, location } = await post([
        ['iss', issuer.url],
        [name, 'secret'],
      ]);
      expect([status, location?.href]).toEqual([303, login({ iss: issuer.url })]);
    },
  );

  it('keeps an iss that comes twice, which GET refuses', async () => {
    const { location } = await post([
      ['iss', issuer.url],
      ['iss', 'https://evil.example'],
    ]);
    expect(location?.searchParams.getAll('iss')).toHaveLength(2);
    expect(codeOn(await new Browser().open(location ?? ''))).toBe('foreign_issuer');
  });

  it.each([
    ['JSON', 'application/json', '{"iss":"https://evil.example"}'],
    ['text', 'text/plain', 'iss=https://evil.example'],
    ['no fields', 'application/x-www-form-urlencoded', ''],
  ])('with %s leads to the login without parameters', async (_what, type, body) => {
    const { status, location } = await send(body, { headers: { 'content-type': type } });
    expect([status, location?.pathname, location?.search]).toEqual([303, '/login', '']);
  });

  it('with a body of more than 4 kB is refused', async () => {
    const page = await post({ iss: issuer.url, login_hint: 'x'.repeat(5_000) });
    expect([page.status, codeOn(page)]).toEqual([413, 'body_too_large']);
  });

  it.each([
    ['an unknown charset', 'application/x-www-form-urlencoded; charset=x-none'],
    ['a strange encoding', 'application/x-www-form-urlencoded'],
  ])('with %s is refused', async (what, type) => {
    const encoding = what.endsWith('encoding') && { 'content-encoding': 'x-none' };
    const page = await send('iss=x', { headers: { 'content-type': type, ...encoding } });
    expect([page.status, codeOn(page)]).toEqual([400, 'request_invalid']);
  });

  it('counts towards the limit of sign-ins', async () => {
    await app.restart({ RATE_LIMIT: '3' });
    const statuses: number[] = [];
    for (let at = 0; at < 4; at += 1) statuses.push((await post({ iss: issuer.url })).status);
    expect(statuses).toEqual([303, 303, 303, 429]);
    expect((await new Browser().get(login({}))).status).toBe(429);
    await app.restart({ RATE_LIMIT: '0' });
  });

  it('is the same where the host app has read the body before', async () => {
    const host = await startHost({}, express.urlencoded({ extended: true }));
    const body = 'iss=a&iss=b&login_hint[x]=y&password=secret';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const url = `${host.url}/login`;
    const { status, location } = await new Browser().fetch(url, { method: 'POST', headers, body });
    expect([status, location?.search]).toEqual([303, '?iss=a&iss=b&login_hint=']);
    await host.close();
  });
});

/** The authorization request of a host app with this option, for these parameters of the link. */
async function requestWith(query: Query, loginParameters?: string[]): Promise<URLSearchParams> {
  const host = await startHost({ ...(loginParameters && { loginParameters }) });
  const { location } = await new Browser().get(login(query, host.url), { from: ELSEWHERE });
  await host.close();
  return location?.searchParams ?? new URLSearchParams();
}

describe('a parameter of the login URL', () => {
  const hints = {
    login_hint: 'nora@example.com',
    organization_id: 'org_1',
    screen_hint: 'sign-up',
  };

  it('is not handed on by default, in the demo neither', async () => {
    const bare = await requestWith({});
    expect([...(await requestWith(hints)).keys()]).toEqual([...bare.keys()]);
    const { location } = await new Browser().get(login(hints));
    expect([...(location?.searchParams.keys() ?? [])]).toEqual([...bare.keys()]);
  });

  it('is handed on if the option lists it, and only then', async () => {
    const sent = await requestWith(hints, ['login_hint', 'organization_id']);
    expect(sent.get('login_hint')).toBe(hints.login_hint);
    expect(sent.get('organization_id')).toBe('org_1');
    expect(sent.has('screen_hint')).toBe(false);
  });

  it('is not handed on if it is missing, comes twice or is longer than 512 characters', async () => {
    const list = ['login_hint', 'organization_id', 'screen_hint'];
    const sent = await requestWith(
      [
        ['login_hint', 'a'],
        ['login_hint', 'b'],
        ['organization_id', 'x'.repeat(513)],
      ],
      list,
    );
    expect(list.filter((name) => sent.has(name))).toEqual([]);
    const longest = { organization_id: 'x'.repeat(512) };
    expect((await requestWith(longest, list)).get('organization_id')).toHaveLength(512);
  });

  it('cannot change another one by its value', async () => {
    const value = 'x&state=evil&redirect_uri=https://evil.example#';
    const sent = await requestWith({ login_hint: value }, ['login_hint']);
    expect(sent.get('login_hint')).toBe(value);
    expect(sent.getAll('redirect_uri').join()).toMatch(/^http:\/\/localhost:\d+\/callback$/);
    expect(sent.get('state')).not.toBe('evil');
  });

  it('is kept by a POST if the option lists it', async () => {
    const host = await startHost({ loginParameters: ['organization_id'] });
    const body = 'organization_id=org_1&screen_hint=sign-up';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const url = `${host.url}/login`;
    const { location } = await new Browser().fetch(url, { method: 'POST', headers, body });
    expect(location?.search).toBe('?organization_id=org_1');
    await host.close();
  });

  it.each([
    'client_id',
    'client_secret',
    'client_assertion',
    'code_challenge',
    'code_challenge_method',
    'nonce',
    'redirect_uri',
    'request',
    'request_uri',
    'resource',
    'response_mode',
    'response_type',
    'scope',
    'state',
  ])('that is the protocol’s own cannot be listed: %s', (name) => {
    const start = () =>
      createAuth({
        issuer: new URL(issuer.url),
        clientId: CLIENT_ID,
        baseUrl: new URL('https://app.example.com'),
        sessionSecrets: ['a-secret-of-the-tests-0123456789-abcdef'],
        records: {} as SessionRecords,
        loginParameters: ['login_hint', name],
      });
    expect(start).toThrow(RangeError);
    expect(start).toThrow(`loginParameters: ${name} cannot be chosen by a link`);
  });
});
