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

const passport = new Passport();
/** More would make a URL that proxies refuse. */
const MAX_PARAMETER = 512;

/** One instance per step: passport puts the functions that end a step on the instance itself. */
class AuthKitStrategy extends Strategy {
  readonly #step: 'start' | 'finish';
  readonly #redirectUri: URL;
  readonly #loginParameters: readonly string[];

  constructor(
    step: 'start' | 'finish',
    { redirectUri, scope, loginParameters }: Context,
    config: Configuration,
    verify: VerifyFunction,
  ) {
    super({ config, scope, callbackURL: redirectUri, sessionKey: 'transaction' }, verify);
    this.#step = step;
    this.#redirectUri = redirectUri;
    this.#loginParameters = loginParameters;
  }

  /**
   * Always adds state and nonce, whatever the metadata advertises; the strategy stores and checks
   * both. State binds the response to this browser (RFC 9700 §4.7), the nonce binds the ID token to
   * this request (OpenID Connect Core §15.5.2), and PKCE binds the code to it (RFC 7636).
   */
  override authorizationRequestParams(req: Request, options: AuthenticateOptions) {
    const params = new URLSearchParams(super.authorizationRequestParams(req, options));
    for (const name of this.#loginParameters) {
      const value = req.query[name];
      if (typeof value === 'string' && value.length <= MAX_PARAMETER) params.set(name, value);
    }
    params.set('state', randomState());
    params.set('nonce', randomNonce());
    return params;
  }

  /** Only the query comes from the request: the client could choose any Host header. */
  override currentUrl(req: Request): URL {
    const url = new URL(this.#redirectUri);
    url.search = req.originalUrl.split('?').slice(1).join('?');
    return url;
  }

  /** The route decides: `/login?code=x` is no callback, and a callback never starts a sign-in. */
  override shouldInitiateAuthRequest() {
    return this.#step === 'start';
  }
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
    const strategy = new AuthKitStrategy('start', context, config, () => undefined);
    // passport can only redirect, and the attempt's cookie must be set first: this stand-in for the
    // response hands over the URL.
    const redirect = {
      setHeader: (name: string, value: string) => void (name === 'Location' && resolve(value)),
      end: () => undefined,
    } as unknown as Response;
    passport.authenticate(strategy, options, reject)(withSession(req, session), redirect);
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
    // The strategy calls this with a validated response. passport's own login ends here: the route
    // decides which session begins, and how.
    const onVerified = (response: TokenResponse) => resolve(response);
    const strategy = new AuthKitStrategy('finish', context, config, onVerified);
    const failed = (error: unknown, _user?: unknown, info?: unknown) => {
      // Only "access_denied" arrives as a failed authentication; every other failure is an error.
      const { message } = Object(info) as { message?: unknown };
      const reported = new Error(`access_denied: ${String(message)}`);
      reject(error ?? new SignInError('access_denied', { cause: reported }));
    };
    passport.authenticate(strategy, resourceOf(context), failed)(withSession(req, session), res);
  });
}

/** Sent in both requests: otherwise AuthKit may fall back to another audience (RFC 8707 §2.2). */
const resourceOf = ({ resource }: Context): AuthenticateOptions =>
  resource === undefined ? {} : { resource };

/** The strategy keeps its transaction in `req.session`; ours is in the attempt's cookie. */
const withSession = (req: Request, session: object) =>
  Object.create(req, { session: { value: session } }) as Request;
