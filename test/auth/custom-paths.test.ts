// The option `paths`, in a host app that has /login, /callback and /logout routes of its own.
// Sign-in and sign-out lie below /support, and AuthKit leads back there.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuth, type SessionRecords } from '../../src/auth/index.ts';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { startHostApp, type HostApp } from '../support/app/host.ts';

const paths = {
  login: '/support/login',
  callback: '/support/callback',
  logout: '/support/logout',
  signedOut: '/support/bye',
};
let authKit: LocalAuthKit;
let host: HostApp;
let browser: Browser;

beforeAll(async () => {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  authKit = await startTestAuthKit({
    redirectUris: [`${url}${paths.callback}`],
    postLogoutRedirectUris: [`${url}${paths.signedOut}`],
    endSession: true,
  });
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  host = await startHostApp(
    {
      issuer: new URL(authKit.issuer),
      clientId,
      clientSecret: clientSecrets[0],
      port,
      paths,
    },
    (app, auth) => {
      app.use(auth.session, auth.routes);
      for (const path of ['/login', '/callback', '/logout'])
        app.all(path, (req, res) => void res.send(`${req.method} ${path} of the host app`));
      app.get('/support/tickets', auth.requireLogin, (req, res) => {
        const { logout } = auth.paths;
        const signOut = `<form method="post" action="${logout}"><button>Sign out</button></form>`;
        res.send(`${req.user?.name} ${signOut}`);
      });
      app.all('/support/new', auth.requireLogin, (_req, res) => void res.send('New'));
      app.get('/support/bye', (req, res) => void res.json(req.query));
    },
  );
});
beforeEach(() => {
  browser = new Browser();
});
afterAll(async () => {
  await host.close();
  await authKit.close();
});

const at = (path: string) => host.url + path;

/** The path on which a sign-in with this `return_to` ends. */
async function endOf(returnTo: string): Promise<string> {
  await browser.open(at(`${paths.login}?return_to=${encodeURIComponent(returnTo)}`));
  const page = await browser.follow(await browser.press('Bruno'));
  return page.url.pathname;
}

describe('an app with its own paths', () => {
  it('redirects from a guard to its login, and back to the requested page', async () => {
    const asked = await browser.get(at('/support/tickets?open=1'));
    expect(asked.location?.href).toBe(
      at('/support/login?return_to=%2Fsupport%2Ftickets%3Fopen%3D1'),
    );
    const authorize = await browser.get(asked.location ?? '');
    const { origin, searchParams } = authorize.location ?? new URL('about:blank');
    expect(origin).toBe(authKit.issuer);
    expect(searchParams.get('redirect_uri')).toBe(at(paths.callback));
    await browser.follow(authorize);
    const page = await browser.follow(await browser.press('Bruno'));
    expect(page.url.href).toBe(at('/support/tickets?open=1'));
    expect(page.body).toContain('Bruno Okafor');
  });

  it('names its login to a script without a session', async () => {
    const { status, body } = await browser.fetch(at('/support/tickets'));
    expect(status).toBe(401);
    expect(JSON.parse(body)).toEqual({
      error: 'login_required',
      message: 'You are not signed in.',
      login: '/support/login?return_to=%2Fsupport%2Ftickets',
    });
  });

  it('leads from a form without a session to its login, and back to the page of the form', async () => {
    const headers = { referer: at('/support/new') };
    const { status, location } = await browser.post(at('/support/new'), {}, { headers });
    expect([status, location?.search]).toEqual([303, '?return_to=%2Fsupport%2Fnew']);
    const fromLogin = { headers: { referer: at('/support/login') } };
    expect((await browser.post(at('/support/new'), {}, fromLogin)).location?.search).toBe(
      '?return_to=%2F',
    );
  });

  it('signs out at AuthKit and returns to its signed-out page', async () => {
    await browser.open(at('/support/tickets'));
    await browser.follow(await browser.press('Bruno'));
    const sent = await browser.press('Sign out');
    expect(sent.url.pathname).toBe('/support/logout');
    expect(sent.location?.searchParams.get('post_logout_redirect_uri')).toBe(at('/support/bye'));
    const page = await browser.follow(sent);
    const state = sent.location?.searchParams.get('state');
    expect([page.url.pathname, JSON.parse(page.body)]).toEqual(['/support/bye', { state }]);
    expect((await browser.fetch(at('/support/tickets'))).status).toBe(401);
  });

  it('leads to its signed-out page after a sign-out without a session', async () => {
    await browser.open(at('/support/bye'));
    expect((await browser.post(paths.logout)).location?.href).toBe(at('/support/bye'));
  });

  it.each([
    ['GET', '/login'],
    ['POST', '/login'],
    ['GET', '/callback'],
    ['POST', '/logout'],
  ])('leaves %s %s to the host app', async (method, path) => {
    const { body } = await browser.fetch(at(path), { method });
    expect(body).toBe(`${method} ${path} of the host app`);
  });

  it.each([
    ['/support/login', '/'],
    ['/support/callback?code=x', '/'],
    ['/support/logout', '/'],
    ['/Support/LOGIN/', '/'],
    ['/support/login/../login', '/'],
    ['//elsewhere.example/support', '/'],
    ['/login', '/login'],
    ['/callback', '/callback'],
    ['/support/tickets', '/support/tickets'],
  ])('leads a sign-in with return_to=%s to %s', async (returnTo, end) => {
    expect(await endOf(returnTo)).toBe(end);
  });

  it('ends no session on GET of its logout, and spends nothing on HEAD of its callback', async () => {
    await endOf('/support/tickets');
    expect((await browser.get(at(paths.logout))).status).toBe(404);
    const head = await browser.fetch(at(`${paths.callback}?code=x&state=y`), { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect((await browser.fetch(at('/support/tickets'))).status).toBe(200);
  });

  it('has them in auth.paths', () => {
    expect(host.auth.paths).toEqual(paths);
  });
});

describe('createAuth', () => {
  it.each([
    ['no leading slash', { login: 'login' }],
    ['an empty path', { login: '' }],
    ['the root path', { login: '/' }],
    ['a slash at the end', { login: '/login/' }],
    ['a query', { callback: '/callback?from=authkit' }],
    ['a fragment', { signedOut: '/bye#now' }],
    ['another host', { login: '//x' }],
    ['a backslash', { login: '/\\x' }],
    ['a route pattern', { logout: '/logout/:id' }],
    ['a line break', { logout: '/logout\nSet-Cookie: x' }],
    ['a whole URL', { callback: 'https://app.example.com/callback' }],
    ['one path used twice', { login: '/sign-in', logout: '/sign-in' }],
    ['the default of another path', { login: '/callback' }],
    ['one path used twice in another case', { login: '/Sign-In', logout: '/sign-in' }],
    ['dots that a browser resolves', { login: '/support/../login' }],
    ['a dot that a browser drops', { login: '/./login' }],
  ])('refuses paths with %s', (_what, wrong) => {
    const start = () =>
      createAuth({
        issuer: new URL(authKit.issuer),
        clientId: 'client',
        baseUrl: new URL('https://app.example.com'),
        sessionSecrets: ['a-secret-of-the-tests-0123456789-abcdef'],
        records: {} as SessionRecords,
        paths: wrong,
      });
    expect(start).toThrow(RangeError);
    expect(start).toThrow(/^paths: /);
  });
});
