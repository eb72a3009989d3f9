// The local AuthKit's tokens and the endpoints that issue and accept them.

import { X509Certificate } from 'node:crypto';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import { signInOverHttp } from '../../../src/development/local-authkit/test-kit.ts';
import {
  EVERY_SCOPE,
  LocalClient,
  REDIRECT_URI,
  type TokenResponse,
} from '../../support/authkit/local-client.ts';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const RESOURCE = 'https://api.example.com';
const ULID = '[0-9A-HJKMNP-TV-Z]{26}';
const form = (prefix: string) => expect.stringMatching(new RegExp(`^${prefix}${ULID}$`));

let authkit: LocalAuthKit;
let client: LocalClient;
let publicApp: LocalClient;
let thirdParty: LocalClient;
let machine: LocalClient;

beforeAll(async () => {
  const redirectUris = [REDIRECT_URI];
  authkit = await startTestAuthKit({ redirectUris, resources: [RESOURCE] });
  const { issuer, applications } = authkit;
  const { firstParty } = applications;
  client = new LocalClient(issuer, firstParty.clientId, firstParty.clientSecrets[0]);
  publicApp = new LocalClient(issuer, applications.publicApp.clientId);
  const { thirdParty: third, machine: job } = applications;
  thirdParty = new LocalClient(issuer, third.clientId, third.clientSecret);
  machine = new LocalClient(issuer, job.clientId, job.clientSecret);
});
afterAll(() => authkit.close());
afterEach(() => void vi.useRealTimers());

function passTime(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
}

function claimsOf(token: string | undefined) {
  return decodeJwt(token ?? '');
}

const userinfo = (token: string | undefined, method = 'GET') =>
  fetch(`${authkit.issuer}/oauth2/userinfo`, {
    method,
    headers: { authorization: `Bearer ${token}` },
  });

const revoke = (app: LocalClient, token: string | undefined) =>
  app.post('/oauth2/revoke', { token: token ?? '' });

const ask = (app: LocalClient, more = {}) =>
  app.post('/oauth2/token', { grant_type: 'client_credentials', ...more });

function expectChallenge({ status, headers, body }: TokenResponse): void {
  expect([status, body['error']]).toEqual([401, 'invalid_client']);
  expect(headers.get('www-authenticate')).toBe('Basic realm="AuthKit"');
}

describe('the access token and the ID token', () => {
  it('have the members, header and lifetimes of AuthKit', async () => {
    const tokens = await client.signIn({ person: 'Bruno Okafor' });
    const members = ['access_token', 'expires_in', 'id_token', 'refresh_token', 'token_type'];
    expect(Object.keys(tokens).toSorted()).toEqual(members);
    expect([tokens['token_type'], tokens['expires_in']]).toEqual(['bearer', 300]);
    const kid = form('sso_oidc_key_pair_');
    expect(decodeProtectedHeader(tokens['access_token'] ?? '')).toEqual({ alg: 'RS256', kid });
    const access = claimsOf(tokens['access_token']);
    const [organization] = authkit.people[1]?.organizations ?? [];
    expect(access).toEqual({
      iss: authkit.issuer,
      aud: authkit.environmentClientId,
      sub: authkit.people[1]?.sub,
      client_id: client.clientId,
      org_id: organization?.id,
      sid: form('app_consent_'),
      jti: form(''),
      scope: EVERY_SCOPE,
      role: 'moderator',
      permissions: ['posts:read', 'posts:moderate'],
      iat: expect.any(Number),
      exp: (access.iat ?? 0) + 300,
    });
    const id = claimsOf(tokens['id_token']);
    expect(id).toEqual({
      iss: authkit.issuer,
      aud: client.clientId,
      sub: authkit.people[1]?.sub,
      nonce: 'the-nonce',
      name: 'Bruno Okafor',
      given_name: 'Bruno',
      family_name: 'Okafor',
      email: 'bruno.okafor@example.com',
      email_verified: true,
      iat: expect.any(Number),
      exp: (id.iat ?? 0) + 3600,
    });
  });

  it('carry only the claims that the scopes allow', async () => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' }, { scope: 'openid email' });
    expect(tokens['refresh_token']).toBeUndefined();
    const known = ['aud', 'email', 'email_verified', 'exp', 'iat', 'iss', 'nonce', 'sub'];
    expect(Object.keys(claimsOf(tokens['id_token'])).toSorted()).toEqual(known);
    expect(claimsOf(tokens['access_token'])).not.toHaveProperty('org_id');
    const plain = await client.signIn({ person: 'Ada Lindqvist' }, { scope: 'profile' });
    expect(plain['id_token']).toBeUndefined();
  });

  it('name the chosen organization even when two have the same name', async () => {
    for (const organization of authkit.people[2]?.organizations ?? []) {
      const choices = { person: 'Chiara Fontana', organization: organization.id };
      const tokens = await client.signIn(choices);
      expect(claimsOf(tokens['access_token'])['org_id']).toBe(organization.id);
    }
  });

  it('omit a permission that the role or the application lacks', async () => {
    const scope = 'openid posts:read posts:moderate';
    const scopeFor = async (app: LocalClient, person: string, organization?: string) => {
      const choices = { person, ...(organization !== undefined && { organization }) };
      return claimsOf((await app.signIn(choices, { scope }))['access_token'])['scope'];
    };
    expect(await scopeFor(client, 'Bruno Okafor')).toBe(scope);
    expect(await scopeFor(client, 'Chiara Fontana', 'Meridian Labs')).toBe('openid posts:read');
    expect(await scopeFor(client, 'Ada Lindqvist')).toBe('openid');
    expect(await scopeFor(thirdParty, 'Bruno Okafor')).toBe('openid posts:read');
  });

  it('have the resource as audience, after a refresh only when it is requested again', async () => {
    const choices = { person: 'Ada Lindqvist' };
    const tokens = await client.signIn(choices, { resource: RESOURCE });
    expect(claimsOf(tokens['access_token']).aud).toBe(RESOURCE);
    const again = await client.refresh(tokens['refresh_token'], { resource: RESOURCE });
    expect(claimsOf(again.body['access_token']).aud).toBe(RESOURCE);
    const without = await client.refresh(again.body['refresh_token']);
    expect(claimsOf(without.body['access_token']).aud).toBe(authkit.environmentClientId);
  });

  it('verify with the published keys, which match their certificates', async () => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' });
    const jwksUri = new URL('/oauth2/jwks', authkit.issuer);
    const { issuer } = authkit;
    await jwtVerify(tokens['access_token'] ?? '', createRemoteJWKSet(jwksUri), { issuer });
    const { keys } = JSON.parse(await (await fetch(jwksUri)).text());
    expect(Object.keys(keys[0]).toSorted()).toEqual(
      ['alg', 'e', 'kid', 'kty', 'n', 'use', 'x5c', 'x5t#S256'].toSorted(),
    );
    const certificate = new X509Certificate(Buffer.from(keys[0].x5c[0], 'base64'));
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.publicKey.export({ format: 'jwk' })['n']).toBe(keys[0].n);
    const fingerprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex');
    expect(fingerprint.toString('base64url')).toBe(keys[0]['x5t#S256']);
  });
});

describe('the token endpoint', () => {
  it('accepts either of two secrets, in the body or by Basic, and no other', async () => {
    const { clientId, clientSecrets } = authkit.applications.firstParty;
    const statusFor = async (secret: string) => {
      const other = new LocalClient(authkit.issuer, clientId, secret);
      return (await other.refresh('unknown')).body['error'];
    };
    expect(await statusFor(clientSecrets[0])).toBe('invalid_grant');
    expect(await statusFor(clientSecrets[1])).toBe('invalid_grant');
    expect(await statusFor('0'.repeat(64))).toBe('invalid_client');
    const credentials = Buffer.from(`${clientId}:${clientSecrets[1]}`).toString('base64');
    const basic = await fetch(`${authkit.issuer}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'unknown' }),
    });
    expect(await basic.json()).toMatchObject({ error: 'invalid_grant' });
  });

  it.each([
    ['an unknown client', () => new LocalClient(authkit.issuer, 'client_unknown')],
    ['a wrong secret', () => new LocalClient(authkit.issuer, client.clientId, 'f'.repeat(64))],
    ['no secret', () => new LocalClient(authkit.issuer, client.clientId)],
    ['a secret of a Public one', () => new LocalClient(authkit.issuer, publicApp.clientId, 'x')],
  ])('challenges %s, whatever it asks for', async (_, unproven) => {
    const requests = [
      unproven().refresh('unknown'),
      unproven().post('/oauth2/token', { grant_type: TOKEN_EXCHANGE }),
      unproven().post('/oauth2/token', {}),
      unproven().post('/oauth2/device_authorization', { scope: 'openid' }),
      unproven().post('/oauth2/introspection', { token: 'x' }),
      revoke(unproven(), 'x'),
    ];
    for (const refused of await Promise.all(requests)) expectChallenge(refused);
  });

  it.each<[string, Record<string, string>]>([
    ['no client', {}],
    ['an unknown client by Basic', { authorization: `Basic ${btoa('client_unknown:x')}` }],
  ])('challenges %s', async (_, headers) => {
    const response = await fetch(`${authkit.issuer}/oauth2/token`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ grant_type: TOKEN_EXCHANGE }),
    });
    const { status, headers: received } = response;
    expectChallenge({ status, headers: received, body: JSON.parse(await response.text()) });
  });

  it('has no token exchange', async () => {
    const { status, body } = await client.post('/oauth2/token', {
      grant_type: TOKEN_EXCHANGE,
      subject_token: (await client.signIn({ person: 'Ada Lindqvist' }))['access_token'] ?? '',
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    expect([status, body['error']]).toEqual([400, 'unsupported_grant_type']);
  });

  it('calls an unknown code invalid_code for a Public application only', async () => {
    const [refused, confidential] = [
      await publicApp.exchange('unknown'),
      await client.exchange('unknown'),
    ];
    expect([refused.status, refused.body['error']]).toEqual([400, 'invalid_code']);
    expect([confidential.status, confidential.body['error']]).toEqual([400, 'invalid_grant']);
    expect((await publicApp.refresh('unknown')).body['error']).toBe('invalid_grant');
  });

  it('exchanges a code once, and revokes its tokens on a second use', async () => {
    const back = await signInOverHttp(client.authorizationUrl(), { person: 'Ada Lindqvist' });
    const code = back.searchParams.get('code') ?? '';
    const first = await client.exchange(code);
    expect((await client.exchange(code)).body['error']).toBe('invalid_grant');
    const refreshed = await client.refresh(first.body['refresh_token']);
    expect(refreshed.body['error']).toBe('invalid_grant');
  });

  it('exchanges a code at most once for two simultaneous requests', async () => {
    const back = await signInOverHttp(client.authorizationUrl(), { person: 'Ada Lindqvist' });
    const code = back.searchParams.get('code') ?? '';
    const both = await Promise.all([client.exchange(code), client.exchange(code)]);
    expect(both.filter(({ status }) => status === 200).length).toBeLessThan(2);
  });

  it.each([
    ['a wrong verifier', { code_verifier: 'x'.repeat(43) }],
    ['another redirect URI', { redirect_uri: 'http://localhost:3000/other' }],
  ])('refuses a code with %s', async (_, wrong) => {
    const url = publicApp.authorizationUrl();
    const back = await signInOverHttp(url, { person: 'Ada Lindqvist' });
    const { status, body } = await publicApp.exchange(back.searchParams.get('code') ?? '', wrong);
    expect([status, body['error']]).toEqual([400, 'invalid_grant']);
  });
});

describe('a refresh', () => {
  it.each([
    ['confidential', () => client],
    ['Public', () => publicApp],
    ['third-party', () => thirdParty],
  ])('rotates the refresh token of a %s application and returns an ID token', async (_, app) => {
    const tokens = await app().signIn({ person: 'Bruno Okafor' });
    const { status, body } = await app().refresh(tokens['refresh_token']);
    expect(status).toBe(200);
    expect(body['refresh_token']).not.toBe(tokens['refresh_token']);
    expect(claimsOf(body['id_token']).sub).toBe(authkit.people[1]?.sub);
    const before = claimsOf(tokens['access_token']);
    const after = claimsOf(body['access_token']);
    expect([after['sid'], after['org_id']]).toEqual([before['sid'], before['org_id']]);
    expect(after.jti).not.toBe(before.jti);
  });

  it('may be repeated for a few seconds; a later repetition ends the rotation chain', async () => {
    const { refresh_token: spent } = await client.signIn({ person: 'Ada Lindqvist' });
    await client.refresh(spent);
    passTime(8);
    const replay = await client.refresh(spent);
    expect(replay.status).toBe(200);
    passTime(5);
    expect((await client.refresh(spent)).body['error']).toBe('invalid_grant');
    const after = await client.refresh(replay.body['refresh_token']);
    expect(after.body['error']).toBe('invalid_grant');
  });

  it('narrows the scope on request, and refuses more than was granted', async () => {
    const scope = 'openid profile offline_access';
    const tokens = await client.signIn({ person: 'Ada Lindqvist' }, { scope });
    const less = await client.refresh(tokens['refresh_token'], { scope: 'openid' });
    expect(claimsOf(less.body['access_token'])['scope']).toBe('openid');
    const more = await client.refresh(less.body['refresh_token'], { scope: `${scope} email` });
    expect(more.body['error']).toBe('invalid_scope');
  });

  it('refuses a refresh token of another application', async () => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' });
    const { body } = await publicApp.refresh(tokens['refresh_token']);
    expect(body['error']).toBe('invalid_grant');
    expect((await client.refresh(tokens['refresh_token'])).status).toBe(200);
  });
});

describe('the UserInfo endpoint', () => {
  it.each(['GET', 'POST'])('returns the claims of the scopes to %s', async (method) => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' }, { scope: 'openid email' });
    expect(await (await userinfo(tokens['access_token'], method)).json()).toEqual({
      sub: authkit.people[0]?.sub,
      email: 'ada.lindqvist@example.com',
      email_verified: true,
    });
  });

  it('refuses a missing, wrong or expired token, an ID token and a machine’s token', async () => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' });
    const own = await machine.post('/oauth2/token', { grant_type: 'client_credentials' });
    const wrong = ['', 'x', tokens['id_token'], own.body['access_token']];
    const responses = await Promise.all(wrong.map((token) => userinfo(token)));
    passTime(301);
    responses.push(await userinfo(tokens['access_token']));
    for (const response of responses) {
      expect([response.status, await response.json()]).toEqual([401, { error: 'unauthorized' }]);
    }
  });
});

describe('introspection', () => {
  it('describes the client’s own tokens as AuthKit does', async () => {
    const tokens = await client.signIn({ person: 'Bruno Okafor' });
    const { scope: _, role, permissions, ...claims } = claimsOf(tokens['access_token']);
    expect(await client.introspect(tokens['access_token'])).toEqual({
      active: true,
      ...claims,
      role,
      permissions,
      token_type: 'access_token',
    });
    const { exp: __, ...others } = claims;
    expect(await client.introspect(tokens['refresh_token'])).toEqual({
      active: true,
      ...others,
      jti: expect.any(String),
      iat: expect.any(Number),
      token_type: 'refresh_token',
    });
  });

  it('returns only active: false for unknown, expired, spent and foreign tokens', async () => {
    const inactive = { active: false };
    const tokens = await client.signIn({ person: 'Ada Lindqvist' });
    const other = await thirdParty.signIn({ person: 'Ada Lindqvist' });
    expect(await client.introspect('unknown')).toEqual(inactive);
    expect(await client.introspect(tokens['id_token'])).toEqual(inactive);
    expect(await client.introspect(other['access_token'])).toEqual(inactive);
    expect(await thirdParty.introspect(tokens['refresh_token'])).toEqual(inactive);
    await client.refresh(tokens['refresh_token']);
    passTime(301);
    expect(await client.introspect(tokens['access_token'])).toEqual(inactive);
    expect(await client.introspect(tokens['refresh_token'])).toEqual(inactive);
  });

  it('describes the tokens of Public applications to a first-party application', async () => {
    const tokens = await publicApp.signIn({ person: 'Ada Lindqvist' });
    expect(await client.introspect(tokens['access_token'])).toMatchObject({ active: true });
    expect(await thirdParty.introspect(tokens['access_token'])).toEqual({ active: false });
  });

  it('refuses a Public application and a wrong secret', async () => {
    const wrong = new LocalClient(authkit.issuer, client.clientId, 'f'.repeat(64));
    for (const caller of [publicApp, wrong]) {
      const { status, body } = await caller.post('/oauth2/introspection', { token: 'x' });
      expect([status, body['error']]).toEqual([401, 'invalid_client']);
    }
    expect((await client.post('/oauth2/introspection', {})).status).toBe(400);
  });
});

describe('revocation', () => {
  it('ends a rotation chain by any of its refresh tokens, and no other', async () => {
    const choices = { person: 'Ada Lindqvist' };
    const [one, otherDevice] = [await client.signIn(choices), await client.signIn(choices)];
    const next = await client.refresh(one['refresh_token']);
    expect(await revoke(client, one['refresh_token'])).toMatchObject({ status: 200, body: {} });
    expect((await client.refresh(next.body['refresh_token'])).body['error']).toBe('invalid_grant');
    expect((await client.refresh(otherDevice['refresh_token'])).status).toBe(200);
    expect(await client.introspect(next.body['access_token'])).toMatchObject({ active: true });
  });

  it('gives 200 for unknown, revoked and access tokens alike', async () => {
    const tokens = await publicApp.signIn({ person: 'Ada Lindqvist' });
    const { access_token: access, refresh_token: refreshToken } = tokens;
    for (const token of ['unknown', refreshToken, refreshToken, access]) {
      expect(await revoke(publicApp, token)).toMatchObject({ status: 200, body: {} });
    }
    expect(await client.introspect(access)).toMatchObject({ active: true });
  });

  it('refuses a token of another application, a missing token and an unauthenticated client', async () => {
    const tokens = await client.signIn({ person: 'Ada Lindqvist' });
    const foreign = await revoke(publicApp, tokens['refresh_token']);
    expect([foreign.status, foreign.body['error']]).toEqual([400, 'invalid_grant']);
    expect((await client.refresh(tokens['refresh_token'])).status).toBe(200);
    expect((await client.post('/oauth2/revoke', {})).body['error']).toBe('invalid_request');
    const unproven = new LocalClient(authkit.issuer, client.clientId);
    expect((await revoke(unproven, 'x')).status).toBe(401);
  });
});

describe('client_credentials', () => {
  it('gives a machine a token whose subject is the machine', async () => {
    const { body } = await ask(machine, { scope: 'posts:read' });
    expect(Object.keys(body).toSorted()).toEqual(['access_token', 'expires_in', 'token_type']);
    const claims = claimsOf(body['access_token']);
    expect(claims).toEqual({
      iss: authkit.issuer,
      aud: authkit.environmentClientId,
      sub: machine.clientId,
      client_id: machine.clientId,
      org_id: authkit.people[1]?.organizations[0]?.id,
      jti: form(''),
      scope: 'posts:read',
      iat: expect.any(Number),
      exp: (claims.iat ?? 0) + 3600,
    });
    const known = await machine.introspect(body['access_token']);
    expect(known).toMatchObject({ active: true, token_type: 'access_token' });
    expect(known).not.toHaveProperty('sid');
  });

  it('is limited to machines and to their scopes', async () => {
    expect((await ask(machine, { scope: 'openid' })).body['error']).toBe('invalid_scope');
    expect((await ask(client)).body['error']).toBe('unauthorized_client');
    const unproven = new LocalClient(authkit.issuer, machine.clientId);
    expect((await ask(unproven)).status).toBe(401);
  });
});
