// AuthKit does not document how it reports an unknown client id or redirect URI: the doctor
// distinguishes the two at stand-ins that report them in different ways, as at AuthKit's error page,
// or says that it cannot.
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { changedMetadata, createServers, diagnose } from '../../support/app/doctor.ts';

let app: TestApp;
const servers = createServers();

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  servers.close();
  await app.close();
});

type Env = Record<string, string>;

const UNKNOWN: Env = { OAUTH_APP_CLIENT_ID: 'client_unknown' };
const UNREGISTERED: Env = { BASE_URL: 'http://localhost:1' };
const WRONG_SECRET: Env = { OAUTH_APP_CLIENT_SECRET: 'b'.repeat(64) };

/** The response of an authorization endpoint; each request has its own id. */
type RawResponse = { status: number; location?: string; body?: string };
interface Manner {
  unknownClient: (id: string, said: string) => RawResponse;
  unknownRedirect: (id: string, said: string) => RawResponse;
  signIn: (id: string, said: string) => RawResponse;
}

const page = (status: number, title: string) => (id: string, said: string) => ({
  status,
  body: `<title>${id}</title><script>var a = "${id}"</script><h1>${title}</h1><p>${said} ${id}</p>`,
});
const away = (path: string) => (id: string) => ({
  status: 302,
  location: `https://error.example.com/sso/${path}?request_id=${id}`,
});
const signIn = (id: string) => ({ status: 302, location: `https://x.example/?session=${id}` });

/** Redirects to error pages elsewhere, as the other authorization server of WorkOS does. */
const ELSEWHERE: Manner = {
  unknownClient: away('client-id-invalid'),
  unknownRedirect: away('redirect-uri-invalid'),
  signIn,
};
/** As AuthKit was seen to do: the page has the status 200. */
const errorPage = (error: string) => (id: string) => ({
  status: 302,
  location: `/oauth2/error?error=${error}&request_id=${id}`,
});
const ERROR_PAGE: Manner = {
  unknownClient: errorPage('application_not_found'),
  unknownRedirect: errorPage('invalid_redirect_uri'),
  signIn,
};
const OWN_PAGES: Manner = {
  unknownClient: page(404, 'Application not found'),
  unknownRedirect: page(400, 'Check the redirect URI'),
  signIn,
};
const ONE_PAGE: Manner = {
  unknownClient: page(400, 'Something went wrong'),
  unknownRedirect: page(400, 'Something went wrong'),
  signIn,
};
const SAYS_EITHER: Manner = {
  unknownClient: page(400, 'Invalid client or redirect URI'),
  unknownRedirect: page(400, 'Invalid client or redirect URI'),
  signIn,
};
const FOUND_PAGES: Manner = {
  unknownClient: page(200, 'No such application'),
  unknownRedirect: page(200, 'No such redirect'),
  signIn,
};

let requests = 0;

/** The app's AuthKit with another authorization endpoint; the token endpoint stays the real one. */
async function standIn({ unknownClient, unknownRedirect, signIn: goOn }: Manner) {
  const metadata = changedMetadata(app, (all) => {
    all['authorization_endpoint'] = `${String(all['issuer'])}/oauth2/authorize`;
  });
  const listener: RequestListener = (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost');
    if (pathname !== '/oauth2/authorize') return metadata(req, res);
    requests += 1;
    const id = `01K${requests}ABCDEF`;
    const [client, redirect] = [searchParams.get('client_id'), searchParams.get('redirect_uri')];
    const response =
      client !== app.env['OAUTH_APP_CLIENT_ID']
        ? unknownClient(id, client ?? '')
        : redirect === `${app.url}/callback`
          ? goOn(id, '')
          : unknownRedirect(id, redirect ?? '');
    const { status, location, body } = response;
    res.writeHead(status, location === undefined ? {} : { location }).end(body);
  };
  return { ...app.env, AUTHKIT_ISSUER: await servers.serve(listener) };
}

describe.each([
  ['with an error page that names the fault', ERROR_PAGE],
  ['with error pages elsewhere', ELSEWHERE],
  ['with a page for each fault', OWN_PAGES],
  ['with the same page for both', ONE_PAGE],
])('at an AuthKit %s the doctor', (_, manner) => {
  it.each([
    ['nothing', {}, [], undefined],
    ['an unknown client id', UNKNOWN, ['client id'], /^OAUTH_APP_CLIENT_ID=(?!.*BASE_URL)/],
    ['an unregistered redirect URI', UNREGISTERED, ['redirect URI'], /^BASE_URL=(?!.*CLIENT_ID)/],
    ['a wrong secret', WRONG_SECRET, ['credentials'], /^OAUTH_APP_CLIENT_SECRET=/],
  ])('finds %s', async (_fault, changed, checks, change) => {
    const { found, problems } = await diagnose({ ...(await standIn(manner)), ...changed });
    expect(problems).toEqual(checks);
    if (change) expect(found(checks[0] ?? '')?.change).toMatch(change);
  });
});

const find = async (manner: Manner, changed: Env = {}) =>
  diagnose({ ...(await standIn(manner)), ...changed });

describe('at an AuthKit whose error page names another fault the doctor', () => {
  it.each([
    ['unsupported_connection', 'AuthKit refuses the request: unsupported_connection'],
    ['constructor', 'AuthKit refuses the request: constructor'],
  ])('names it: %s', async (error, said) => {
    const { found, problems } = await find({ ...ERROR_PAGE, signIn: errorPage(error) });
    expect(problems).toEqual(['request']);
    expect(found('request')?.found).toBe(said);
  });

  it('does not repeat what is no error code', async () => {
    const { findings } = await find({ ...ERROR_PAGE, signIn: errorPage('%1b[2J-and-more') });
    expect(JSON.stringify(findings)).not.toContain('and-more');
  });
});

describe('at an AuthKit that does not name the fault the doctor', () => {
  it('names both settings rather than the wrong one alone', async () => {
    const { found, problems } = await find(SAYS_EITHER, { ...UNREGISTERED, ...WRONG_SECRET });
    expect(problems).toEqual(['client id', 'credentials']);
    expect(found('client id')?.change).toMatch(/OAUTH_APP_CLIENT_ID=.*BASE_URL=/);
  });

  it('names the redirect URI when the secret is right', async () => {
    expect((await find(SAYS_EITHER, UNREGISTERED)).problems).toEqual(['redirect URI']);
  });

  it.each([
    [
      'that proceeds to sign-in for every client',
      { unknownClient: signIn, unknownRedirect: signIn },
    ],
    ['whose error pages have status 200', FOUND_PAGES],
  ])('warns instead of accepting at one %s', async (_, manner) => {
    const wrong = await find({ ...FOUND_PAGES, ...manner }, UNKNOWN);
    expect(wrong.found('client id')).toMatchObject({ status: 'warning' });
    const redirect = await find({ ...FOUND_PAGES, ...manner }, UNREGISTERED);
    expect(redirect.found('redirect URI')).toMatchObject({ status: 'warning' });
  });

  it.each([
    ['a bot check', 403],
    ['a rate limit', 429],
    ['an outage', 503],
  ])('reports that %s prevents the check', async (_, status) => {
    const { found, problems } = await find({ ...ONE_PAGE, signIn: page(status, 'Not now') });
    expect(found('client id')).toMatchObject({
      status: 'warning',
      found: `not checked; authorization endpoint: HTTP ${status}`,
    });
    expect(problems).toEqual([]);
  });

  it('reports a failing token endpoint', async () => {
    const failing = await servers.serve((_req, res) => res.writeHead(500).end());
    const issuer = await servers.serve(
      changedMetadata(app, (metadata) => (metadata['token_endpoint'] = failing)),
    );
    const { found } = await diagnose({ ...app.env, AUTHKIT_ISSUER: issuer });
    expect(found('credentials')).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('token endpoint: HTTP 500'),
    });
    expect(found('client id')?.status).toBe('ok');
  });
});
