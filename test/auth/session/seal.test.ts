// What the store keeps is compressed with words that all of it contains, and stays readable.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSealer } from '../../../src/auth/index.ts';
import { COMPRESSION } from '../../../src/auth/session/seal.ts';

const SECRET = 'the-secret-of-a-stored-value';
const CONTEXT = 'a-session';
const sealer = createSealer([SECRET], 'session tokens', COMPRESSION);

/** Bytes beyond the JSON of the value, of which 28 are the nonce and the tag. */
const excess = (value: object) => sealer.seal(value, CONTEXT).length - JSON.stringify(value).length;

describe('a sealed value that is compressed', () => {
  it('opens if it was sealed by version 0.2.0', () => {
    // It refers to the first words of the dictionary and to the last.
    const sealed = 'NjfrE8Su9ZB+nZEOwCH19mLSyndvG6mCPzJlrfL4ER1ClLpRHcd6DTljzRREGqUKmK7l';
    expect(sealer.open(Buffer.from(sealed, 'base64'), CONTEXT)).toEqual({
      start: 'Imp0aSI6IjAxIiwic3ViIjoi',
      clientId: 'client_01JH',
      emailVerified: true,
      startedAt: 17,
    });
  });

  it('takes less than its JSON, with nonce and tag, if it is what a session keeps', () => {
    const [aud, sub, sid] = ['client_', 'user_', 'app_consent_'].map(
      (prefix) => prefix + randomBytes(13).toString('hex').toUpperCase(),
    );
    const claims = { sub, iat: 1_795_812_436, exp: 1_795_812_736, client_id: aud, aud, sid };
    const accessToken = ['{"alg":"RS256"}', JSON.stringify(claims), randomBytes(256)]
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.');
    const facts = { scope: ['openid', 'profile'], obtainedAt: 1_795_812_436_419, renewable: true };
    const user = { issuer: 'https://example.authkit.app', sub, email: 'a@example.com' };
    expect(excess({ accessToken })).toBeLessThan(-200);
    expect(excess(facts)).toBeLessThan(0);
    expect(excess({ signedIn: { user, clientId: aud, claims } })).toBeLessThan(-150);
  });

  it.each([
    ['an empty object', {}],
    ['words that no session has', { text: '中文 – €, \u0000 and "quotes"' }],
    ['more than zlib’s window', { text: randomBytes(100_000).toString('latin1') }],
    ['a list', [1, { two: null }]],
  ])('opens as it was: %s', (_case, value) => {
    expect(sealer.open(sealer.seal(value, CONTEXT), CONTEXT)).toEqual(value);
  });
});
