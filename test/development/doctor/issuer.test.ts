// Faults planted into AUTHKIT_ISSUER and into what the issuer answers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { bentMetadata, createServers, examined, runDoctor } from '../../support/app/doctor.ts';

let app: TestApp;
const servers = createServers();

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  servers.close();
  await app.close();
});

const withIssuer = (issuer: string) => examined({ ...app.env, AUTHKIT_ISSUER: issuer });

describe('AUTHKIT_ISSUER', () => {
  it.each([
    [
      'an unknown host',
      () => 'https://nowhere.invalid',
      /host name is unknown/,
      /=https:.*authkit\.app/,
    ],
    [
      'no server there',
      async () => `http://localhost:${await freePort()}`,
      /is listening/,
      /npm run au/,
    ],
    ['no TLS there', () => app.authKit.issuer.replace('http', 'https'), /TLS/, /^AUTHKIT_ISSUER=/],
    [
      'a path',
      () => `${app.authKit.issuer}/oauth2`,
      /path \/oauth2 is wrong: .* at http:\S+\/oauth2\/\.well-known\/openid-configuration \(HTTP 404\)/,
      /^AUTHKIT_ISSUER=http:\/\/localhost:\d+$/,
    ],
    [
      'a path where the origin has nothing either',
      async () => `${await servers.serve((_req, res) => res.writeHead(404).end())}/oauth2`,
      /path \/oauth2 is wrong/,
      /^AUTHKIT_ISSUER: set .* without a path$/,
    ],
    [
      'another name of it',
      () => app.authKit.issuer.replace('localhost', '127.0.0.1'),
      /set to http:\/\/127\..* metadata names http:\/\/localhost/,
      /^AUTHKIT_ISSUER=http:\/\/localhost:\d+$/,
    ],
    [
      'a host that sends on',
      () =>
        servers.serve((_req, res) => res.writeHead(301, { location: 'https://a.example/b' }).end()),
      /redirects to https:\/\/a\.example/,
      /^AUTHKIT_ISSUER=https:\/\/a\.example$/,
    ],
    [
      'a page instead of metadata',
      () => servers.serve((_req, res) => res.end('<h1>Welcome</h1>')),
      /no OpenID configuration/,
      /^AUTHKIT_ISSUER/,
    ],
  ])('is found with %s, as the only problem', async (_, issuer, said, change) => {
    const { found, problems } = await withIssuer(await issuer());
    expect(found('issuer')?.found).toMatch(said);
    expect(found('issuer')?.change).toMatch(change);
    expect(problems).toEqual(['issuer']);
  });

  it('may end in a slash', async () => {
    expect((await withIssuer(`${app.authKit.issuer}/`)).problems).toEqual([]);
  });

  it('is told apart from a custom domain by what the metadata says', async () => {
    const own = await servers.serve(
      bentMetadata(app, (metadata) => (metadata['issuer'] = 'https://auth.example.com\u001b[2J')),
    );
    const { code, out } = await runDoctor({ ...app.env, AUTHKIT_ISSUER: own });
    expect(out).toContain('-> AUTHKIT_ISSUER=https://auth.example.com[2J\n');
    expect(out).not.toContain('\u001b');
    expect(code).toBe(1);
  });
});

describe('the metadata', () => {
  it.each([
    ['no token endpoint', 'token_endpoint', undefined, 'metadata', /token_endpoint/],
    ['a token endpoint that is no URL', 'token_endpoint', 7, 'metadata', /token_endpoint/],
    ['no RS256', 'id_token_signing_alg_values_supported', ['ES256'], 'metadata', /RS256/],
    ['keys that are no URL', 'jwks_uri', 'keys', 'keys', /not a URL/],
  ])('with %s is found', async (_, member, value, check, said) => {
    const issuer = await servers.serve(bentMetadata(app, (metadata) => (metadata[member] = value)));
    const { found, problems } = await withIssuer(issuer);
    expect(found(check)?.found).toMatch(said);
    expect(found(check)?.change).toMatch(/^AUTHKIT_ISSUER/);
    expect(problems).toEqual([check]);
  });
});

describe('the keys', () => {
  it.each([
    ['none', '{"keys":[]}', /has no RSA signing key/],
    ['of another kind only', '{"keys":[{"kty":"EC","kid":"a"}]}', /has no RSA signing key/],
    ['a page', '<h1>Blocked</h1>', /has no RSA signing key \(HTTP 200\)/],
  ])('are found to be %s', async (_, body, said) => {
    const keys = await servers.serve((_req, res) => res.end(body));
    const issuer = await servers.serve(bentMetadata(app, (all) => (all['jwks_uri'] = keys)));
    const { found, problems } = await withIssuer(issuer);
    expect(found('keys')?.found).toMatch(said);
    expect(problems).toEqual(['keys']);
  });

  it('are found to be out of reach', async () => {
    const keys = `http://localhost:${await freePort()}`;
    const issuer = await servers.serve(bentMetadata(app, (all) => (all['jwks_uri'] = keys)));
    expect((await withIssuer(issuer)).found('keys')).toMatchObject({
      status: 'problem',
      found: `${keys}: nothing is listening there`,
      change: expect.stringContaining('firewall'),
    });
  });
});

describe('the clock', () => {
  it.each([
    ['two minutes ahead', -120, 'problem', /12\d s ahead of/],
    ['two minutes behind', 120, 'problem', /1[12]\d s behind/],
    ['some seconds ahead', -15, 'warning', /1\d s ahead of/],
    ['right', 0, 'ok', /\d s (ahead of|behind)/],
  ])('is found to be %s', async (_, seconds, status, said) => {
    const date = new Date(Date.now() + seconds * 1000);
    const issuer = await servers.serve(bentMetadata(app, () => undefined, date));
    const clock = (await withIssuer(issuer)).found('clock');
    expect(clock).toMatchObject({ status, found: expect.stringMatching(said) });
    expect(clock?.change ?? 'NTP').toContain('NTP');
  });
});
