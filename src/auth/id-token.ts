// What OpenID Connect Core §3.1.3.7 asks of an ID token and the library leaves open. Signature,
// issuer, expiry and nonce were checked before.
// https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
import type { IDToken } from 'openid-client';
import { CLOCK_TOLERANCE_S } from './discovery.ts';
import { SignInError } from './errors.ts';

// An answer to an attempt cannot be older than an attempt may get.
const MOST_AGE_S = 600;
const LONGEST_SUB = 255;

/**
 * Checks the verified claims of an ID token that was made for this sign-in.
 * @throws SignInError `id_token_invalid` for a token that is not ours alone, or about nobody
 * @throws SignInError `clock_skew` for one from the future, or from before the sign-in
 */
export function checkIdToken({ aud, azp, iat, sub }: IDToken, clientId: string): void {
  // Numbers 3 to 5: a token that another application may use as well was not made for us.
  const isOurs =
    [aud].flat().every((audience) => audience === clientId) &&
    (azp === undefined || azp === clientId);
  // §2: `sub` has at most 255 characters; an empty one would make one person of all who have it.
  if (!isOurs || sub.trim() === '' || sub.length > LONGEST_SUB) {
    throw new SignInError('id_token_invalid');
  }
  // Number 10.
  const age = Date.now() / 1000 - iat;
  if (age < -CLOCK_TOLERANCE_S || age > MOST_AGE_S + CLOCK_TOLERANCE_S) {
    throw new SignInError('clock_skew');
  }
}
