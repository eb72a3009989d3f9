// `paths`: a host below /support that keeps a /login, /callback and /logout of its own. The whole way
// of a sign-in and a sign-out follows, at the local AuthKit too.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuth, type SessionRecords } from '../../src/auth/index.ts';
import { startLocalAuthKit, type LocalAuthKit } from '../../src/development/local-authkit/start.ts';
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
  authKit = await startLocalAuthKit({
    port: 0,
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
        app.all(path, (req, res) => void res.send(`${req.method} ${path} of the host’s own`));
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

/** Where a sign-in that begins with this `return_to` ends. */
async function endOf(returnTo: string): Promise<string> {
  await browser.open(at(`${paths.login}?return_to=${encodeURIComponent(returnTo)}`));
  const page = await browser.follow(await browser.press('Bruno'));
  return page.url.pathname;
}

describe('with paths of its own', () => {
  it('a guard sends people there, and back to the page they wanted', async () => {
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

  it('a script is told where to sign in', async () => {
    const { status, body } = await browser.fetch(at('/support/tickets'));
    expect(status).toBe(401);
    expect(JSON.parse(body)).toEqual({
      error: 'login_required',
      message: 'You are not signed in.',
      login: '/support/login?return_to=%2Fsupport%2Ftickets',
    });
  });

  it('a form that was sent too late leads back to its page', async () => {
    const headers = { referer: at('/support/new') };
    const { status, location } = await browser.post(at('/support/new'), {}, { headers });
    expect([status, location?.search]).toEqual([303, '?return_to=%2Fsupport%2Fnew']);
    const fromLogin = { headers: { referer: at('/support/login') } };
    expect((await browser.post(at('/support/new'), {}, fromLogin)).location?.search).toBe(
      '?return_to=%2F',
    );
  });

  it('signing out ends at AuthKit and comes back to the page for it', async () => {
    await browser.open(at('/support/tickets'));
    await browser.follow(await browser.press('Bruno'));
    const sent = await browser.press('Sign out');
    expect(sent.url.pathname).toBe('/support/logout');
    expect(sent.location?.searchParams.get('post_logout_redirect_uri')).toBe(at('/support/bye'));
    const page = await browser.follow(sent);
    expect([page.url.pathname, page.body]).toEqual(['/support/bye', '{}']);
    expect((await browser.fetch(at('/support/tickets'))).status).toBe(401);
  });

  it('signing out without a session leads there as well', async () => {
    await browser.open(at('/support/bye'));
    expect((await browser.post(paths.logout)).location?.href).toBe(at('/support/bye'));
  });

  it.each([
    ['GET', '/login'],
    ['POST', '/login'],
    ['GET', '/callback'],
    ['POST', '/logout'],
  ])('%s %s stays the host’s', async (method, path) => {
    const { body } = await browser.fetch(at(path), { method });
    expect(body).toBe(`${method} ${path} of the host’s own`);
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
  ])('a sign-in that is to lead to %s ends at %s', async (returnTo, end) => {
    expect(await endOf(returnTo)).toBe(end);
  });

  it('a GET of the sign-out path ends nothing, and HEAD of the callback spends nothing', async () => {
    await endOf('/support/tickets');
    expect((await browser.get(at(paths.logout))).status).toBe(404);
    const head = await browser.fetch(at(`${paths.callback}?code=x&state=y`), { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect((await browser.fetch(at('/support/tickets'))).status).toBe(200);
  });

  it('are what auth.paths says', () => {
    expect(host.auth.paths).toEqual(paths);
  });
});

describe('paths that cannot be right are refused', () => {
  it.each([
    ['without a slash', { login: 'login' }],
    ['empty', { login: '' }],
    ['the root', { login: '/' }],
    ['with a slash at the end', { login: '/login/' }],
    ['with a query', { callback: '/callback?from=authkit' }],
    ['with a fragment', { signedOut: '/bye#now' }],
    ['of another host', { login: '//x' }],
    ['with a backslash', { login: '/\\x' }],
    ['with a pattern', { logout: '/logout/:id' }],
    ['of two lines', { logout: '/logout\nSet-Cookie: x' }],
    ['with a whole address', { callback: 'https://app.example.com/callback' }],
    ['two the same', { login: '/sign-in', logout: '/sign-in' }],
    ['one the same as a default', { login: '/callback' }],
    ['two the same but for their case', { login: '/Sign-In', logout: '/sign-in' }],
    ['dots that a browser resolves', { login: '/support/../login' }],
    ['a dot that a browser drops', { login: '/./login' }],
  ])('%s', (_what, wrong) => {
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
