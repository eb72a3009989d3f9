// The keys that an ID token is verified with: what an issuer may do with its JWKS, at any moment, and
// people sign in all the same (OpenID Connect Core §10.1.1).
import type { JWK } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

/** The status and the code of the page on which a sign-in ends. */
async function signIn(): Promise<[number, string | undefined]> {
  const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
  return [page.status, codeOn(page)];
}
const signedIn = [200, undefined];
const fetched = () => issuer.hits.get('/oauth2/jwks') ?? 0;

/** An issuer that publishes these keys and signs with this one, with or without naming it. */
function use(keys: SigningKey[], by: SigningKey, isNamed = true): void {
  issuer.published = keys.map(({ jwk }) => jwk);
  // JSON leaves out what is undefined.
  issuer.vary = { idTokenKey: by, ...(!isNamed && { idTokenHeader: Object({ kid: undefined }) }) };
}

describe('a key that changes', () => {
  it('right after a sign-in signs in the next person, and is fetched once', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    use([issuer.key, second], second);
    const before = fetched();
    expect(await signIn()).toEqual(signedIn);
    expect(await signIn()).toEqual(signedIn);
    expect(fetched() - before).toBe(1);
  });

  it('twice in one moment signs in both times', async () => {
    use([third], third);
    expect(await signIn()).toEqual(signedIn);
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
  });

  it('and keeps its id, or has none, signs in', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    const renamed = { ...second, kid: issuer.key.kid };
    use([{ ...renamed, jwk: { ...second.jwk, kid: issuer.key.kid } }], renamed);
    expect(await signIn()).toEqual(signedIn);
    use([third], third, false);
    expect(await signIn()).toEqual(signedIn);
  });

  it('and is no longer published signs nobody in after five minutes', async () => {
    use([issuer.key], issuer.key);
    expect(await signIn()).toEqual(signedIn);
    issuer.published = [second.jwk];
    expect(await signIn()).toEqual(signedIn);
    passMonotonic(301_000);
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
  });
});

describe('a JWKS', () => {
  it('with one key twice serves sign-ins', async () => {
    use([issuer.key, issuer.key], issuer.key);
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it.each([
    ['first', (own: SigningKey, other: SigningKey) => [own, other]],
    ['last', (own: SigningKey, other: SigningKey) => [other, own]],
  ])('with another key under the same id serves them, ours %s', async (_place, inOrder) => {
    const { kid } = issuer.key;
    const other = { ...second, jwk: { ...second.jwk, kid } };
    use(inOrder(issuer.key, other), issuer.key);
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it('with fifty others before ours serves them, also without an id in the token', async () => {
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

  it('with keys that nobody can use beside ours serves them', async () => {
    use([issuer.key], issuer.key, false);
    const broken = { kty: 'RSA', kid: issuer.key.kid, n: 'AQAB', e: 'AQAB' };
    const curve = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: issuer.key.kid };
    const none = [null, 'a key', 7, []] as unknown as JWK[];
    issuer.published = [...none, broken, curve, { kty: 'unheard-of' }, issuer.key.jwk];
    passMonotonic(301_000);
    expect(await signIn()).toEqual(signedIn);
  });

  it.each([
    ['without keys', { keys: [] }],
    ['that is none', { not: 'keys' }],
    ['whose list is none', { keys: 'none' }],
  ])('%s is an outage and not a bad token', async (_what, document) => {
    use([issuer.key], issuer.key);
    issuer.faults.set('/oauth2/jwks', (_req, res) => res.end(JSON.stringify(document)));
    passMonotonic(301_000);
    expect(await signIn()).toEqual([503, 'issuer_unreachable']);
    issuer.faults.clear();
    expect(await signIn()).toEqual(signedIn);
  });
});

describe('the log tells why an ID token is refused', () => {
  it.each([
    [
      'another audience beside us',
      { idToken: { aud: [CLIENT_ID, 'x'], azp: CLIENT_ID } },
      'It has other audiences',
    ],
    ['another azp', { idToken: { azp: 'x' } }, 'Its azp names another application'],
    ['an empty sub', { idToken: { sub: ' ' } }, 'Its sub is empty or too long'],
  ])('%s', async (_what, variation, reason) => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = variation;
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(failed?.['hint']).toContain(reason);
  });

  it('an unknown key', async () => {
    use([issuer.key], second);
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(failed?.['hint']).toBe('No key in the JWKS signed it.');
  });

  it.each([
    ['another nonce', { idToken: { nonce: 'x' } }, 'nonce'],
    ['another issuer', { idToken: { iss: 'https://x.example' } }, 'iss'],
    ['no subject', { idToken: { sub: undefined } }, 'sub'],
    ['an algorithm of its own', { mangle: () => 'eyJhbGciOiJub25lIn0.e30.' }, 'alg'],
  ])('%s', async (_what, variation, reason) => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = variation;
    expect(await signIn()).toEqual([502, 'id_token_invalid']);
    const failed = app.log.find(({ event }) => event === 'sign_in_failed');
    expect(JSON.stringify(failed)).toContain(reason);
  });
});

describe('a sign-in whose access token is for a proof of possession (DPoP)', () => {
  it('is refused: as a Bearer token it opens nothing (RFC 6749 §7.1)', async () => {
    issuer.published = [issuer.key.jwk];
    issuer.vary = { response: { token_type: 'DPoP' } };
    expect(await signIn()).toEqual([502, 'response_invalid']);
  });
});

describe('a UserInfo endpoint', () => {
  const nameless = { name: undefined, email: undefined };
  it.each([
    ['that fails', 500, 'application/json', '{}'],
    ['that sends a JWT', 200, 'application/jwt', 'e30.e30.e30'],
    ['that sends a page', 200, 'text/html', '<p>'],
    ['without a token', 401, 'application/json', '{}'],
  ])('%s costs the name, and is in the log', async (_what, status, type, body) => {
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
  it('is nothing to compare people with, and its organization is none of ours', async () => {
    issuer.published = [issuer.key.jwk];
    const iss = 'https://other.example';
    issuer.vary = { accessToken: { iss, sub: 'another-name', org_id: 'org_there' } };
    const page = await new Browser().open(`${app.url}/login?return_to=/profile`);
    expect(page.status).toBe(200);
    expect(page.body).not.toContain('org_there');
  });
});
