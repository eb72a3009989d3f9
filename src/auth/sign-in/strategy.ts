// The two steps of a sign-in, run by passport with openid-client's strategy:
// `buildAuthorizationRequest` builds the authorization request, `redeemCode` exchanges the code in
// the response for tokens. The strategy of openid-client sends neither state nor nonce to an issuer
// that advertises PKCE, lets the query decide whether a request starts or finishes a sign-in, and
// keeps one pending sign-in per session. This file changes all three.
import type { Request, Response } from 'express';
import { randomNonce, randomState, type Configuration } from 'openid-client';
import { Strategy, type AuthenticateOptions, type VerifyFunction } from 'openid-client/passport';
import { Passport } from 'passport';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import type { TokenResponse } from '../tokens/token-set.ts';
import type { SignInAttempt } from './attempts.ts';

/** More would make a URL that proxies refuse. */
const MAX_PARAMETER = 512;

// To passport, the token response is the user: the route decides which session begins, and how.
const verify: VerifyFunction = (response, verified) =>
  verified(null, response as unknown as Express.User);

class AuthKitStrategy extends Strategy {
  // Not `#context`: for each request, passport makes an object whose prototype is the strategy.
  private readonly context: Context;

  constructor(context: Context, config: Configuration) {
    const { redirectUri, scope } = context;
    super({ config, scope, callbackURL: redirectUri, sessionKey: 'transaction' }, verify);
    this.context = context;
  }

  /**
   * Always adds state and nonce, whatever the metadata advertises; the strategy stores and checks
   * both. State binds the response to this browser (RFC 9700 §4.7), the nonce binds the ID token to
   * this request (OpenID Connect Core §15.5.2), and PKCE binds the code to it (RFC 7636).
   */
  override authorizationRequestParams(req: Request, options: AuthenticateOptions) {
    const params = new URLSearchParams(super.authorizationRequestParams(req, options));
    for (const name of this.context.loginParameters) {
      const value = req.query[name];
      if (typeof value === 'string' && value.length <= MAX_PARAMETER) params.set(name, value);
    }
    params.set('state', randomState());
    params.set('nonce', randomNonce());
    return params;
  }

  /** Only the query comes from the request: the client could choose any Host header. */
  override currentUrl(req: Request): URL {
    const url = new URL(this.context.redirectUri);
    url.search = req.originalUrl.split('?').slice(1).join('?');
    return url;
  }

  /** The route decides: `/login?code=x` is no callback, and a callback never starts a sign-in. */
  override shouldInitiateAuthRequest({ session }: Request) {
    return !('transaction' in session);
  }
}

type Passports = InstanceType<typeof Passport>;
const passports = new WeakMap<Configuration, Passports>();

/** passport with the strategy, made once for each configuration of the issuer. */
function passportFor(context: Context, config: Configuration) {
  const passport = passports.get(config) ?? new Passport();
  if (!passports.has(config)) passport.use('authkit', new AuthKitStrategy(context, config));
  passports.set(config, passport);
  return passport;
}

/**
 * The authorization request (OpenID Connect Core §3.1.2.1): the URL to send the browser to, and the
 * values that its response is checked against.
 */
export async function buildAuthorizationRequest(
  context: Context,
  config: Configuration,
  req: Request,
): Promise<{ location: string; state: string; nonce: string; codeVerifier: string }> {
  // Receives what the strategy keeps between the two steps.
  const session: { transaction?: Record<string, string> } = {};
  const isLoginForced = req.query['prompt'] === 'login';
  const options = { ...resourceOf(context), ...(isLoginForced && { prompt: 'login' }) };
  const location = await new Promise<string>((resolve, reject) => {
    const passport = passportFor(context, config);
    // passport can only redirect, and the attempt's cookie must be set first: this stand-in for the
    // response hands over the URL.
    const redirect = {
      setHeader: (name: string, value: string) => void (name === 'Location' && resolve(value)),
      end: () => undefined,
    } as unknown as Response;
    passport.authenticate('authkit', options, reject)(withSession(req, session), redirect);
  });
  const { state = '', nonce = '', code_verifier: codeVerifier = '' } = session.transaction ?? {};
  return { location, state, nonce, codeVerifier };
}

/**
 * The token request with the code of this callback (OpenID Connect Core §3.1.3.1). openid-client
 * has validated the claims of the ID token when this resolves; `completeSignIn` verifies its
 * signature.
 * @throws SignInError `access_denied`, or openid-client's error
 */
export function redeemCode(
  context: Context,
  config: Configuration,
  req: Request,
  res: Response,
  { state, nonce, codeVerifier }: SignInAttempt,
): Promise<TokenResponse> {
  const session = { transaction: { state, nonce, code_verifier: codeVerifier } };
  return new Promise((resolve, reject) => {
    const done = (error: unknown, response?: TokenResponse | false, info?: unknown) => {
      if (response) return resolve(response);
      // Only "access_denied" arrives as a failed authentication; every other failure is an error.
      const { message } = Object(info) as { message?: unknown };
      const reported = new Error(`access_denied: ${String(message)}`);
      reject(error ?? new SignInError('access_denied', { cause: reported }));
    };
    const passport = passportFor(context, config);
    passport.authenticate('authkit', resourceOf(context), done)(withSession(req, session), res);
  });
}

/** Sent in both requests: otherwise AuthKit may fall back to another audience (RFC 8707 §2.2). */
const resourceOf = ({ resource }: Context): AuthenticateOptions =>
  resource === undefined ? {} : { resource };

/** The strategy keeps its transaction in `req.session`; ours is in the attempt's cookie. */
const withSession = (req: Request, session: object) =>
  Object.create(req, { session: { value: session } }) as Request;
