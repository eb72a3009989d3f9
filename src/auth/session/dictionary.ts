// What sealed values have in common. A session is too short to repeat itself, so zlib gets these
// words in advance (a preset dictionary: RFC 1950 §2.2).

/** The claims of AuthKit's access tokens, in their order. */
const CLAIMS =
  '"jti":"01","sub":"user_01","iat":17,"exp":17,"scope":"openid profile email offline_access",' +
  '"client_id":"client_01","iss":"https://.authkit.app","aud":"client_01",' +
  '"sid":"app_consent_01","org_id":"org_01","role":"member","permissions":["';

// A JWT spells a claim in three ways, by where it starts in its group of three bytes (base64url).
const inToken = (offset: string) => Buffer.from(offset + CLAIMS).toString('base64url');

// IMPORTANT: never change it, or sessions in the store can no longer be read.
export const dictionary = Buffer.from(
  ['', ' ', '  '].map(inToken).join('') +
    '{"accessToken":"eyJhbGciOiJSUzI1NiIsImtpZCI6InNzb19vaWRjX2tleV9wYWlyXzAx' +
    '{"scope":["openid","profile","email","offline_access"],"obtainedAt":17,"expiresAt":17,' +
    '"renewable":true,"orgId":"org_01","permissions":["","refreshToken":"","idToken":"' +
    '{"signedIn":{"user":{"issuer":"https://.authkit.app","sub":"user_01","name":"","email":".com",' +
    '"emailVerified":true,"picture":"https://},"clientId":"client_01","claims":{"given_name":"",' +
    '"family_name":"","aud":"client_01","sid":"","exp":17,"iat":17},"startedAt":17,"endsAt":17',
);
