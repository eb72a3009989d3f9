// The doctor finds planted faults in AUTHKIT_ISSUER and in the issuer's responses.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { changedMetadata, createServers, diagnose, runDoctor } from '../../support/app/doctor.ts';

let app: TestApp;
const servers = createServers();

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(async () => {
  servers.close();
  await app.close();
});

const withIssuer = (issuer: string) => diagnose({ ...app.env, AUTHKIT_ISSUER: issuer });

describe('AUTHKIT_ISSUER', () => {
  it.each([
    [
      'an unknown host',
      () => 'https://nowhere.invalid',
      /host name is unknown/,
      /=https:.*authkit\.app/,
    ],
    [
      'a port without a server',
      async () => `http://localhost:${await freePort()}`,
      /is listening/,
      /npm run au/,
    ],
    [
      'https for a server without TLS',
      () => app.authKit.issuer.replace('http', 'https'),
      /TLS/,
      /^AUTHKIT_ISSUER=/,
    ],
    [
      'a path',
      () => `${app.authKit.issuer}/oauth2`,
      /path \/oauth2 is wrong: .* at http:\S+\/oauth2\/\.well-known\/openid-configuration \(HTTP 404\)/,
      /^AUTHKIT_ISSUER=http:\/\/localhost:\d+$/,
    ],
    [
      'a path on an origin without metadata',
      async () => `${await servers.serve((_req, res) => res.writeHead(404).end())}/oauth2`,
      /path \/oauth2 is wrong/,
      /^AUTHKIT_ISSUER: set .* without a path$/,
    ],
    [
      'another name of the issuer',
      () => app.authKit.issuer.replace('localhost', '127.0.0.1'),
      /set to http:\/\/127\..* metadata names http:\/\/localhost/,
      /^AUTHKIT_ISSUER=http:\/\/localhost:\d+$/,
    ],
    [
      'a host that redirects',
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
  ])('is the only problem when set to %s', async (_, issuer, said, change) => {
    const { found, problems } = await withIssuer(await issuer());
    expect(found('issuer')?.found).toMatch(said);
    expect(found('issuer')?.change).toMatch(change);
    expect(problems).toEqual(['issuer']);
  });

  it('may end in a slash', async () => {
    expect((await withIssuer(`${app.authKit.issuer}/`)).problems).toEqual([]);
  });

  it('is compared with the issuer in the metadata, for a custom domain', async () => {
    const own = await servers.serve(
      changedMetadata(
        app,
        (metadata) => (metadata['issuer'] = 'https://auth.example.com\u001b[2J'),
      ),
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
    ['a token endpoint that is not a URL', 'token_endpoint', 7, 'metadata', /token_endpoint/],
    ['no RS256', 'id_token_signing_alg_values_supported', ['ES256'], 'metadata', /RS256/],
    ['a jwks_uri that is not a URL', 'jwks_uri', 'keys', 'keys', /not a URL/],
  ])('with %s is a problem', async (_, member, value, check, said) => {
    const issuer = await servers.serve(
      changedMetadata(app, (metadata) => (metadata[member] = value)),
    );
    const { found, problems } = await withIssuer(issuer);
    expect(found(check)?.found).toMatch(said);
    expect(found(check)?.change).toMatch(/^AUTHKIT_ISSUER/);
    expect(problems).toEqual([check]);
  });
});

describe('a JWKS', () => {
  it.each([
    ['without keys', '{"keys":[]}', /has no RSA signing key/],
    [
      'with keys of another type only',
      '{"keys":[{"kty":"EC","kid":"a"}]}',
      /has no RSA signing key/,
    ],
    ['that is a page', '<h1>Blocked</h1>', /has no RSA signing key \(HTTP 200\)/],
  ])('%s is a problem', async (_, body, said) => {
    const keys = await servers.serve((_req, res) => res.end(body));
    const issuer = await servers.serve(changedMetadata(app, (all) => (all['jwks_uri'] = keys)));
    const { found, problems } = await withIssuer(issuer);
    expect(found('keys')?.found).toMatch(said);
    expect(problems).toEqual(['keys']);
  });

  it('that is unreachable is a problem', async () => {
    const keys = `http://localhost:${await freePort()}`;
    const issuer = await servers.serve(changedMetadata(app, (all) => (all['jwks_uri'] = keys)));
    expect((await withIssuer(issuer)).found('keys')).toMatchObject({
      status: 'problem',
      found: `${keys}: nothing is listening there`,
      change: expect.stringContaining('firewall'),
    });
  });
});

describe('a clock', () => {
  it.each([
    ['two minutes ahead', 'problem', -120, /12\d s ahead of/],
    ['two minutes behind', 'problem', 120, /1[12]\d s behind/],
    ['some seconds ahead', 'warning', -15, /1\d s ahead of/],
    ['in time', 'ok', 0, /\d s (ahead of|behind)/],
  ])('%s has status "%s"', async (_, status, seconds, said) => {
    const date = new Date(Date.now() + seconds * 1000);
    const issuer = await servers.serve(changedMetadata(app, () => undefined, date));
    const clock = (await withIssuer(issuer)).found('clock');
    expect(clock).toMatchObject({ status, found: expect.stringMatching(said) });
    expect(clock?.change ?? 'NTP').toContain('NTP');
  });
});
