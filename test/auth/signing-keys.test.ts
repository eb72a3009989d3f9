// The keys that verify ID tokens. An issuer may change its JWKS at any time, and sign-ins must go
// on (OpenID Connect Core §10.1.1).
import { KeyObject } from 'node:crypto';
import { SignJWT, type JWK } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IssuerKeys } from '../../src/auth/issuer-keys.ts';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { makeKey, type SigningKey } from '../support/authkit/issuer.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';

let issuer: SignInIssuer;
let app: TestApp;
let second: SigningKey;
let third: SigningKey;

beforeAll(async () => {
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: issuer.env });
  [second, third] = await Promise.all([makeKey(), makeKey()]);
});
afterEach(() => {
  issuer.vary = {};
  issuer.faults.clear();
  app.log.splice(0);
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

/** The status and the error code of the page on which a sign-in ends. */
async function signIn(): Promise<[number, string | undefined]> {
  const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
  return [page.status, codeOn(page)];
}
const signedIn = [200, undefined];
const fetched = () => issuer.hits.get('/oauth2/jwks') ?? 0;

/** Makes the issuer publish these keys and sign with this one, with or without a kid. */
function use(keys: SigningKey[], by: SigningKey, isNamed = true): void {
  issuer.published = keys.map(({ jwk }) => jwk);
  // JSON leaves out undefined members.
  issuer.vary = { idTokenKey: by, ...(!isNamed && { idTokenHeader: Object({ kid: undefined }) }) };
}

describe('a signing key', () => {
  it('that changes right after a sign-in is accepted, with one fetch of the JWKS', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    use([issuer.key, second], second);
    const before = fetched();
    expect(await signIn()).toEqual(signedIn);
    expect(await signIn()).toEqual(signedIn);
    expect(fetched() - before).toBe(1);
  });

  it('that changes right before an ID token is signed is accepted', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    const browser = new Browser();
    const authorize = await browser.get(`${app.url}/login?return_to=/profile`);
    const { location } = await browser.get(authorize.location ?? '');
    // The old key is gone when the app exchanges the code.
    use([third], third);
    expect((await browser.open(location ?? '')).status).toBe(200);
  });

  it('that changes twice in a row is accepted both times', async () => {
    use([third], third);
    expect(await signIn()).toEqual(signedIn);
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
  });

  it('that changes under the same kid, or without a kid, is accepted', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    const renamed = { ...second, kid: issuer.key.kid };
    use([{ ...renamed, jwk: { ...second.jwk, kid: issuer.key.kid } }], renamed);
    expect(await signIn()).toEqual(signedIn);
    use([third], third, false);
    expect(await signIn()).toEqual(signedIn);
  });

  it('that is no longer published is refused after five minutes', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    issuer.published = [second.jwk];
    expect(await signIn()).toEqual(signedIn);
    passMonotonic(301_000);
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
  });
});

describe('a sign-in with a JWKS', () => {
  it('that has one key twice succeeds', async () => {
    use([issuer.key, issuer.key], issuer.key);
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it.each([
    ['first', (own: SigningKey, other: SigningKey) => [own, other]],
    ['last', (own: SigningKey, other: SigningKey) => [other, own]],
  ])('that has two keys under one kid succeeds when the %s one signs', async (_place, inOrder) => {
    const { kid } = issuer.key;
    const other = { ...second, jwk: { ...second.jwk, kid } };
    use(inOrder(issuer.key, other), issuer.key);
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it('that has fifty other keys first succeeds, even without a kid in the token', async () => {
    const others = Array.from({ length: 50 }, (_, at) => ({
      ...second,
      jwk: { ...second.jwk, kid: `other-${at}` },
    }));
    use([...others, issuer.key], issuer.key);
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
    use([...others, issuer.key], issuer.key, false);
    expect(await signIn()).toEqual(signedIn);
  });

  it('that has unusable keys beside the right one succeeds', async () => {
    use([issuer.key], issuer.key, false);
    const broken = { kty: 'RSA', kid: issuer.key.kid, n: 'AQAB', e: 'AQAB' };
    const curve = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: issuer.key.kid };
    const none = [null, 'a key', 7, []] as unknown as JWK[];
    issuer.published = [...none, broken, curve, { kty: 'unheard-of' }, issuer.key.jwk];
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it.each([
    ['has no keys', { keys: [] }],
    ['is no JWKS', { not: 'keys' }],
    ['has keys that are no list', { keys: 'none' }],
  ])('that %s fails as issuer_unreachable, not as id_token_invalid', async (_what, document) => {
    use([issuer.key], issuer.key);
    issuer.faults.set('/oauth2/jwks', (_req, res) => res.end(JSON.stringify(document)));
    passMonotonic(301_000);
    expect(await signIn()).toEqual([503, 'issuer_unreachable']);
    issuer.faults.clear();
    expect(await signIn()).toEqual(signedIn);
  });
});

describe('the log of a refused ID token', () => {
  it.each([
    [
      'a second audience',
      { idToken: { aud: [CLIENT_ID, 'x'], azp: CLIENT_ID } },
      'It has other audiences',
    ],
    ['another azp', { idToken: { azp: 'x' } }, 'Its azp names another application'],
    ['an empty sub', { idToken: { sub: ' ' } }, 'Its sub is empty or too long'],
  ])('names the reason for %s', async (_what, variation, reason) => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = variation;
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(failed?.['hint']).toContain(reason);
  });

  it('names the reason for an unknown key', async () => {
    use([issuer.key], second);
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(failed?.['hint']).toBe('No key in the JWKS signed it.');
  });

  it.each([
    ['another nonce', { idToken: { nonce: 'x' } }, 'nonce'],
    ['another issuer', { idToken: { iss: 'https://x.example' } }, 'iss'],
    ['no subject', { idToken: { sub: undefined } }, 'sub'],
    ['alg none', { mangle: () => 'eyJhbGciOiJub25lIn0.e30.' }, 'alg'],
  ])('names the reason for %s', async (_what, variation, reason) => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = variation;
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(JSON.stringify(failed)).toContain(reason);
  });
});

describe('a sign-in with a DPoP access token', () => {
  it('is refused, since the app sends Bearer tokens only (RFC 6749 §7.1)', async () => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = { response: { token_type: 'DPoP' } };
    expect(await signIn()).toEqual([502, 'response_invalid']);
  });
});

describe('a UserInfo endpoint', () => {
  const nameless = { name: undefined, email: undefined };
  it.each([
    ['that responds with 500', 500, 'application/json', '{}'],
    ['that sends a JWT', 200, 'application/jwt', 'e30.e30.e30'],
    ['that sends a page', 200, 'text/html', '<p>'],
    ['that responds with 401', 401, 'application/json', '{}'],
  ])('%s leaves the name empty, and is logged as an error', async (_what, status, type, body) => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = {
      idToken: nameless,
      userInfo: (_req, res) => res.writeHead(status, { 'content-type': type }).end(body),
    };
    expect(await signIn()).toEqual(signedIn);
    const failed = app.log.find(({ event }) => event === 'user_info_failed');
    expect([failed?.level, failed?.['sub']]).toEqual(['error', 'user_01']);
  });
});

describe('an access token of another issuer', () => {
  it('is not compared with the user, and its organization is ignored', async () => {
    issuer.published = [issuer.key.jwk];
    const iss = 'https://other.example';
    issuer.vary = { accessToken: { iss, sub: 'another-name', org_id: 'org_there' } };
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect(page.status).toBe(200);
    expect(page.body).not.toContain('org_there');
  });
});

it('a signature of another algorithm, by a key that names none, is refused', async () => {
  const { alg: _alg, use: _use, ...bare } = second.jwk;
  issuer.published = [bare];
  const keys = new IssuerKeys(new URL(`${issuer.url}/oauth2/jwks`), (url) => fetch(url));
  const privateKey = KeyObject.from(second.privateKey);
  const signed = (alg: string) =>
    new SignJWT({}).setProtectedHeader({ alg, kid: second.kid }).sign(privateKey);
  await expect(keys.verify(await signed('RS256'))).resolves.toBeUndefined();
  for (const alg of ['RS512', 'PS256']) {
    const refused = { code: 'id_token_invalid' };
    await expect(keys.verify(await signed(alg))).rejects.toMatchObject(refused);
  }
});
