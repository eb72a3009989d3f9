// Browsers share cookies between all ports and paths of a host, and siblings of its domain can
// plant more. Two applications on one host must not touch each other's cookies, and planted ones
// must not break a sign-in.
import { sign } from 'cookie-signature';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import type { AuthOptions } from '../../../src/auth/index.ts';
import { authorizationResponseFor, outcome, whoIs } from '../../support/browser/callback.ts';
import { startHostApp } from '../../support/app/host.ts';
import { CLIENT_ID, startSignInIssuer } from '../../support/authkit/sign-in-issuer.ts';

let forum: TestApp;
let portal: TestApp;

beforeAll(async () => {
  [forum, portal] = await Promise.all([startTestApp(), startTestApp()]);
});
afterAll(async () => {
  await Promise.all([forum.close(), portal.close()]);
});

async function startHost(options: Partial<AuthOptions> = {}) {
  const issuer = await startSignInIssuer();
  const own = { issuer: new URL(issuer.url), clientId: CLIENT_ID };
  const host = await startHostApp({ ...own, ...options }, (app, auth) => {
    app.use(auth.session, auth.routes);
    app.get('/who', auth.requireLogin, (req, res) => void res.json(req.user));
  }).catch(async (error: unknown) => {
    await issuer.close();
    throw error;
  });
  return { issuer, host };
}

/** The name and value of the session cookie in this browser. */
function cookieOf(browser: Browser): [name: string, value: string] {
  const { name = '', value = '' } = browser.jar.find('session') ?? {};
  return [name, value];
}
const ask = (path: string, cookie: string) =>
  new Browser().fetch(`${forum.url}${path}`, { headers: { cookie, accept: 'text/html' } });

describe('two applications on one host', () => {
  let browser: Browser;
  beforeEach(async () => {
    browser = await signIn(forum);
    await signIn(portal, { person: 'Ada', browser });
  });

  it('have cookies of different names, so one browser is signed in to both', async () => {
    const names = [...browser.jar.cookies.values()].map(({ name }) => name);
    const sessions = names.filter((name) => name.startsWith('session'));
    expect(new Set(sessions).size).toBe(2);
    expect([await whoIs(browser, forum), await whoIs(browser, portal)]).toEqual([
      'Bruno Okafor',
      'Ada Lindqvist',
    ]);
  });

  it.each(['/', '/signed-out', '/healthz', '/nothing-here'])(
    'delete no cookie of each other at %s',
    async (path) => {
      const { headers } = await browser.get(forum.url + path);
      expect(headers['set-cookie']).toBeUndefined();
      expect(await whoIs(browser, portal)).toBe('Ada Lindqvist');
    },
  );

  it('sign out independently', async () => {
    await browser.open(`${forum.url}/profile`);
    await browser.post(`${forum.url}/logout`);
    expect([await whoIs(browser, forum), await whoIs(browser, portal)]).toEqual([
      undefined,
      'Ada Lindqvist',
    ]);
  });

  it('keep five pending sign-ins each, and drop none of the other', async () => {
    const response = await authorizationResponseFor(portal, browser, { person: 'Ada' });
    for (let count = 0; count < 7; count += 1) await browser.get(`${forum.url}/login`);
    expect(await outcome(browser, response)).toEqual([303, '/profile']);
  });

  it('delete no cookie that they did not set', async () => {
    const stranger = new Browser();
    stranger.jar.store(new URL(forum.url), [
      'session=of-another-app; Path=/',
      'own-host=1; Path=/',
    ]);
    const { headers } = await stranger.get(forum.url);
    expect(headers['set-cookie']).toBeUndefined();
  });
});

describe('several cookies of one name', () => {
  it('are all tried, in any order', async () => {
    const browser = await signIn(forum);
    const [name, value] = cookieOf(browser);
    const { SESSION_SECRET: secret = '' } = forum.env;
    const ended = encodeURIComponent(`s:${sign('a session that has ended', secret)}`);
    for (const others of [
      [`${name}=stale`],
      [`${name}=s%3Aforged.AAAA`, `${name}=`],
      [`${name}=${ended}`],
      [`${name}="`, `${name}=%E0%A4%A`],
    ]) {
      const before = [...others, `${name}=${value}`].join('; ');
      const after = [`${name}=${value}`, ...others].join('; ');
      for (const cookie of [before, after])
        expect((await ask('/profile', cookie)).status, cookie).toBe(200);
    }
  });

  it('are all tried for req.session too', async () => {
    const browser = await signIn(forum, { path: '/draft' });
    await browser.open(`${forum.url}/draft`);
    await browser.post('/draft', { draft: 'my printer', action: 'keep' });
    const [name, value] = cookieOf(browser);
    const { body } = await ask('/draft', `${name}=stale; ${name}=${value}`);
    expect(body).toContain('my printer');
  });

  it('may have quoted values (RFC 6265 §4.1.1)', async () => {
    const [name, value] = cookieOf(await signIn(forum));
    expect((await ask('/profile', `${name}="${value}"`)).status).toBe(200);
  });

  it('are all tried for a pending sign-in, which no planted cookie drops', async () => {
    const browser = new Browser();
    const response = await authorizationResponseFor(forum, browser);
    const { name = '', value = '' } =
      [...browser.jar.cookies.values()].find((cookie) => cookie.name.startsWith('sign-in-')) ?? {};
    const [prefix = ''] = name.split('.');
    const planted = Array.from({ length: 8 }, (_, i) => `${prefix}.zzzzzz${i}.abcdefghijklmnop=x`);
    const cookie = [`${name}=x`, ...planted, `${name}="${value}"`].join('; ');
    const started = await ask('/login', cookie);
    expect(String(started.headers['set-cookie'])).not.toContain('1970');
    const { status } = await ask(response.pathname + response.search, cookie);
    expect(status).toBe(303);
  });
});

describe('a header full of cookies of one name', () => {
  it('costs at most 30 calls of the store', async () => {
    const { issuer, host } = await startHost();
    const browser = new Browser();
    await browser.open(`${host.url}/login`);
    const [name, value] = cookieOf(browser);
    await browser.post(`${host.url}/logout`);
    host.calls.length = 0;
    const cookie = Array.from({ length: 150 }, () => `${name}=${value}`).join('; ');
    const { status } = await new Browser().fetch(`${host.url}/who`, { headers: { cookie } });
    expect(status).toBe(401);
    expect(host.calls.length).toBeLessThanOrEqual(30);
    await host.close();
    await issuer.close();
  });
});

describe('cookieSuffix', () => {
  it.each(['my app', 'a;b', 'a=b', 'é', ''])(
    'is refused at the start as %j',
    async (cookieSuffix) => {
      await expect(startHost({ cookieSuffix })).rejects.toThrow(/^cookieSuffix: /);
    },
  );

  it('ends the names of the cookies', async () => {
    const { issuer, host } = await startHost({ cookieSuffix: 'forum' });
    const browser = new Browser();
    await browser.open(`${host.url}/login`);
    expect(browser.jar.cookies.has('localhost;/;session-forum')).toBe(true);
    await host.close();
    await issuer.close();
  });
});

describe('a cookie of the host app named session', () => {
  it('survives a sign-out, even if it is signed with the same secret', async () => {
    const browser = await signIn(forum);
    const { SESSION_SECRET: secret = '' } = forum.env;
    const own = encodeURIComponent(`s:${sign('a session of the host', secret)}`);
    browser.jar.store(new URL(forum.url), [`session=${own}; Path=/`]);
    const { headers } = await browser.post(`${forum.url}/logout`);
    expect(headers['set-cookie']?.filter((line) => line.startsWith('session='))).toEqual([]);
    expect(await whoIs(browser, forum)).toBeUndefined();
  });
});

describe('a session of version 0.1.0, whose cookie is named session in every app', () => {
  it('stays valid', async () => {
    const [, value] = cookieOf(await signIn(forum));
    expect((await ask('/profile', `session=${value}`)).status).toBe(200);
  });

  it('gives way to a session under the new name', async () => {
    const [, old] = cookieOf(await signIn(forum, { person: 'Ada' }));
    const [name, value] = cookieOf(await signIn(forum));
    const { body } = await ask('/profile', `session=${old}; ${name}=${value}`);
    expect(body).toContain('Bruno Okafor');
  });

  it('ends at the next sign-in, which deletes its cookie', async () => {
    const browser = await signIn(forum);
    const [name, value] = cookieOf(browser);
    browser.jar.cookies.clear();
    browser.jar.store(new URL(forum.url), [`session=${value}; Path=/`]);
    await signIn(forum, { browser, path: '/login?return_to=/profile' });
    const names = [...browser.jar.cookies.values()].map((cookie) => cookie.name);
    expect(names).toContain(name);
    expect(names).not.toContain('session');
    expect((await ask('/profile', `session=${value}`)).status).toBe(401);
  });
});

describe('a slow response to a request with an ended session', () => {
  it('does not delete the cookie of a newer sign-in', async () => {
    const browser = await signIn(forum);
    const [name, value] = cookieOf(browser);
    await browser.post(`${forum.url}/logout`);
    const slow = await ask('/profile', `${name}=${value}`);
    expect([slow.status, slow.headers['set-cookie']]).toEqual([401, undefined]);
  });
});

describe('foreign cookies named like sign-in attempts', () => {
  it('do not block a sign-in', async () => {
    const cookie = Array.from({ length: 5 }, (_, i) => `sign-in.\u00e9${i}=x`).join('; ');
    const headers = { cookie: Buffer.from(cookie).toString('latin1') };
    const { status } = await new Browser().get(`${forum.url}/login`, { headers });
    expect(status).toBe(302);
  });
});
