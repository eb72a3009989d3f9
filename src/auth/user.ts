// Who signed in: the claims of a verified ID token as the `req.user` of this app.
// Replace or extend `User` with what your pages show; hook your own database in at `onSignIn`.
import { hash } from 'node:crypto';
import { fetchUserInfo, type Configuration, type IDToken } from 'openid-client';
import { SignInError } from './errors.ts';
import type { Grant } from './tokens.ts';

/**
 * A signed-in person. The identity is `issuer` and `sub` together, never the e-mail address: that
 * can change hands (OpenID Connect Core §5.7).
 */
export interface User {
  issuer: string;
  sub: string;
  name?: string;
  email?: string;
  emailVerified?: boolean;
  /** The organization the person chose, from the access token; absent without one. */
  orgId?: string;
}

/** Groups a person's sessions. Issuer and sub together, since `sub` is unique per issuer only. */
export const userKey = (issuer: string, sub: string) =>
  hash('sha256', `${issuer}\n${sub}`, 'base64url');

/** The user as this token set has them: the organization may be another after each refresh. */
export const userWithin = (identity: Readonly<User>, { orgId }: Grant): User =>
  orgId === undefined ? { ...identity } : { ...identity, orgId };

const text = (value: unknown) =>
  typeof value === 'string' && value.trim() !== '' ? value.slice(0, 256) : undefined;

/** The same names in the ID token and at UserInfo. */
function profileOf(claims: Readonly<Record<string, unknown>>) {
  const fullName = [text(claims['given_name']), text(claims['family_name'])]
    .filter(Boolean)
    .join(' ');
  const name = text(claims['name']) ?? text(fullName);
  const email = text(claims['email']);
  return {
    ...(name !== undefined && { name }),
    ...(email !== undefined && { email }),
    ...(email !== undefined && { emailVerified: claims['email_verified'] === true }),
  };
}

/**
 * The user of a verified ID token. A name or e-mail address that was asked for but is missing there
 * is fetched from UserInfo, whose `sub` must be the same (OpenID Connect Core §5.3.2).
 * An unreachable UserInfo endpoint costs the name, not the sign-in.
 *
 * @throws SignInError `user_mismatch`
 */
export async function userFromClaims(
  config: Configuration,
  claims: IDToken,
  accessToken: string,
  scope: string,
): Promise<User> {
  const identity = { issuer: claims.iss, sub: claims.sub };
  const profile = profileOf(claims);
  const asked = scope.split(' ');
  const complete =
    (profile.name !== undefined || !asked.includes('profile')) &&
    (profile.email !== undefined || !asked.includes('email'));
  if (complete || !config.serverMetadata().userinfo_endpoint) return { ...identity, ...profile };

  try {
    const userInfo = await fetchUserInfo(config, accessToken, claims.sub);
    return { ...identity, ...profileOf(userInfo), ...profile };
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') {
      throw new SignInError('user_mismatch', { cause });
    }
    return { ...identity, ...profile };
  }
}
