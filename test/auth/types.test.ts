// The types of src/auth, as a host app sees them. `npm run check` compiles this file, and fails
// when a type changes or an expected type error is gone.
import type { Request, RequestHandler } from 'express';
import { describe, expect, expectTypeOf, it } from 'vitest';
import '../../src/auth/express-user.ts';
import {
  currentUser,
  SignInError,
  type Auth,
  type SignInErrorCode,
  type SignedInSession,
  type TokenFacts,
  type User,
} from '../../src/auth/index.ts';

// In an app auth.session sets these.
const request = (user?: User) =>
  ({ user, authSession: user && { readBy: {}, current: { user } } }) as unknown as Request;
const ada: User = { issuer: 'https://forum.authkit.app', sub: 'user_01' };

describe('req.user', () => {
  it('is a User or undefined, and cannot be read unchecked', () => {
    const req = request(ada);
    expectTypeOf(req.user).toEqualTypeOf<Express.User | undefined>();
    expectTypeOf<Express.User>().toExtend<User>();
    // @ts-expect-error: possibly undefined
    expect(() => req.user.sub).not.toThrow();
    // @ts-expect-error: a user has no such member
    expect(req.user?.id).toBeUndefined();
  });

  it('narrows to a User by a check', () => {
    const req = request(ada);
    if (!req.user) throw new TypeError('no user');
    expectTypeOf(req.user.sub).toEqualTypeOf<string>();
    expectTypeOf(req.user.orgId).toEqualTypeOf<string | undefined>();
  });

  it('is returned as a User by currentUser, which throws without requireLogin', () => {
    expectTypeOf(currentUser).returns.toEqualTypeOf<User>();
    expect(currentUser(request(ada))).toBe(ada);
    expect(() => currentUser(request())).toThrow(new SignInError('login_required'));
  });

  it('is not the access token of an API call', () => {
    expectTypeOf<Request['accessToken']>().not.toEqualTypeOf<Request['user']>();
  });
});

describe('the session', () => {
  it('has the user and its end, and no tokens', () => {
    type SignedIn = NonNullable<Request['session']['signedIn']>;
    expectTypeOf<SignedIn['user']>().toEqualTypeOf<User>();
    expectTypeOf<SignedIn['endsAt']>().toEqualTypeOf<number>();
    // @ts-expect-error: tokens are not in the session
    expectTypeOf<Request['session']['tokens']>().toBeAny();
    expectTypeOf<SignedInSession['facts']>().toEqualTypeOf<TokenFacts>();
  });
});

describe('the guards and error codes', () => {
  it('are Express handlers and a closed union', () => {
    expectTypeOf<Auth['requireLogin']>().toEqualTypeOf<RequestHandler>();
    expectTypeOf<SignInErrorCode>().toExtend<string>();
    expectTypeOf<string>().not.toExtend<SignInErrorCode>();
    // @ts-expect-error: no such code
    expect(() => new SignInError('no_such_code')).toThrow(TypeError);
  });
});
