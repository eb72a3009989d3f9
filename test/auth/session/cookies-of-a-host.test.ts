// Cookies are shared by all ports of a host, by its paths and by siblings of its domain: two applications
// beside each other leave each other alone, and what others planted changes nothing.
import { sign } from 'cookie-signature';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import type { AuthOptions } from '../../../src/auth/index.ts';
import { answerOf, codeOn, outcome, whoIs } from '../../support/browser/callback.ts';
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

/** The name and value of the session's cookie that this app has set. */
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

  it('have cookies of different names, and the same person is signed in to both', async () => {
    const names = [...browser.jar.cookies.values()].map(({ name }) => name);
    const sessions = names.filter((name) => name.startsWith('session'));
    expect(new Set(sessions).size).toBe(2);
    expect([await whoIs(browser, forum), await whoIs(browser, portal)]).toEqual([
      'Bruno Okafor',
      'Ada Lindqvist',
    ]);
  });

  it.each(['/', '/signed-out', '/healthz', '/nothing-here'])(
    'take nothing from each other at %s',
    async (path) => {
      const { headers } = await browser.get(forum.url + path);
      expect(headers['set-cookie']).toBeUndefined();
      expect(await whoIs(browser, portal)).toBe('Ada Lindqvist');
    },
  );

  it('sign out each for itself', async () => {
    await browser.open(`${forum.url}/profile`);
    await browser.post(`${forum.url}/logout`);
    expect([await whoIs(browser, forum), await whoIs(browser, portal)]).toEqual([
      undefined,
      'Ada Lindqvist',
    ]);
  });

  it('hold five sign-ins open each: one drops none of the other’s', async () => {
    const answer = await answerOf(portal, browser, { person: 'Ada' });
    for (let count = 0; count < 7; count += 1) await browser.get(`${forum.url}/login`);
    expect(await outcome(browser, answer)).toEqual([303, '/profile']);
  });

  it('do not even take the cookie of a stranger', async () => {
    const stranger = new Browser();
    stranger.jar.store(new URL(forum.url), [
      'session=of-somebody-else; Path=/',
      'own-host=1; Path=/',
    ]);
    const { headers } = await stranger.get(forum.url);
    expect(headers['set-cookie']).toBeUndefined();
  });
});

describe('several cookies of one name', () => {
  it('are each tried, whichever comes first', async () => {
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

  it('are each tried for req.session as well', async () => {
    const browser = await signIn(forum, { path: '/draft' });
    await browser.open(`${forum.url}/draft`);
    await browser.post('/draft', { draft: 'my printer', action: 'keep' });
    const [name, value] = cookieOf(browser);
    const { body } = await ask('/draft', `${name}=stale; ${name}=${value}`);
    expect(body).toContain('my printer');
  });

  it('may be quoted (RFC 6265 §4.1.1)', async () => {
    const [name, value] = cookieOf(await signIn(forum));
    expect((await ask('/profile', `${name}="${value}"`)).status).toBe(200);
  });

  it('of sign-ins that are open are each tried, and what others planted drops none', async () => {
    const browser = new Browser();
    const answer = await answerOf(forum, browser);
    const { name = '', value = '' } =
      [...browser.jar.cookies.values()].find((cookie) => cookie.name.startsWith('sign-in-')) ?? {};
    const [prefix = ''] = name.split('.');
    const planted = Array.from({ length: 8 }, (_, i) => `${prefix}.zzzzzz${i}.abcdefghijklmnop=x`);
    const cookie = [`${name}=x`, ...planted, `${name}="${value}"`].join('; ');
    const started = await ask('/login', cookie);
    expect(String(started.headers['set-cookie'])).not.toContain('1970');
    const { status } = await ask(answer.pathname + answer.search, cookie);
    expect(status).toBe(303);
  });
});

describe('a header full of cookies of one name', () => {
  it('costs a few reads, and no more', async () => {
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

describe('the suffix of the names', () => {
  it.each(['my app', 'a;b', 'a=b', 'é', ''])('%j is refused at the start', async (cookieSuffix) => {
    await expect(startHost({ cookieSuffix })).rejects.toThrow(/^cookieSuffix: /);
  });

  it('is the host’s to choose', async () => {
    const { issuer, host } = await startHost({ cookieSuffix: 'forum' });
    const browser = new Browser();
    await browser.open(`${host.url}/login`);
    expect(browser.jar.cookies.has('localhost;/;session-forum')).toBe(true);
    await host.close();
    await issuer.close();
  });
});

describe('a cookie of the host’s own that is called session', () => {
  it('and signed with the same secret, is left alone by a sign-out', async () => {
    const browser = await signIn(forum);
    const { SESSION_SECRET: secret = '' } = forum.env;
    const own = encodeURIComponent(`s:${sign('a session of the host', secret)}`);
    browser.jar.store(new URL(forum.url), [`session=${own}; Path=/`]);
    const { headers } = await browser.post(`${forum.url}/logout`);
    expect(headers['set-cookie']?.filter((line) => line.startsWith('session='))).toEqual([]);
    expect(await whoIs(browser, forum)).toBeUndefined();
  });
});

describe('a session of version 0.1.0, whose cookie has the same name everywhere', () => {
  it('goes on', async () => {
    const [, value] = cookieOf(await signIn(forum));
    expect((await ask('/profile', `session=${value}`)).status).toBe(200);
  });

  it('stands behind one of the new name', async () => {
    const [, old] = cookieOf(await signIn(forum, { person: 'Ada' }));
    const [name, value] = cookieOf(await signIn(forum));
    const { body } = await ask('/profile', `session=${old}; ${name}=${value}`);
    expect(body).toContain('Bruno Okafor');
  });

  it('is over with the next sign-in, and its cookie is taken back then', async () => {
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

describe('a slow response to a request of before', () => {
  it('does not take the cookie of a newer sign-in back', async () => {
    const browser = await signIn(forum);
    const [name, value] = cookieOf(browser);
    await browser.post(`${forum.url}/logout`);
    const slow = await ask('/profile', `${name}=${value}`);
    expect([slow.status, slow.headers['set-cookie']]).toEqual([401, undefined]);
  });
});

describe('access_denied without a state', () => {
  it('says what it was, and not that another browser started it', async () => {
    const page = await new Browser().get(`${forum.url}/callback?error=access_denied`);
    expect([page.status, codeOn(page)]).toEqual([403, 'access_denied']);
    expect(page.body).toContain('canceled');
  });
});
