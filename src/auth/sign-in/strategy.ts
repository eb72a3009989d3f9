// The two steps of a sign-in, run by passport and openid-client's strategy: `buildAuthorizationRequest` makes the
// authorization request, `redeemCode` exchanges the code that came back.
// Left alone, the strategy sends neither state nor nonce to an issuer that lists S256, lets the query
// decide whether a request starts or finishes a sign-in, and keeps one pending sign-in per session.
import type { Request, Response } from 'express';
import { randomNonce, randomState, type Configuration } from 'openid-client';
import { Strategy, type AuthenticateOptions, type VerifyFunction } from 'openid-client/passport';
import { Passport } from 'passport';
import type { Context } from '../context.ts';
import { SignInError } from '../errors.ts';
import type { TokenResponse } from '../tokens/token-set.ts';
import type { SignInAttempt } from './attempts.ts';

const passport = new Passport();

/** For one step: passport puts the functions that end the step on the instance itself. */
class AuthKitStrategy extends Strategy {
  readonly #step: 'start' | 'finish';
  readonly #redirectUri: URL;

  constructor(
    step: 'start' | 'finish',
    { redirectUri, scope }: Context,
    config: Configuration,
    verify: VerifyFunction,
  ) {
    super({ config, scope, callbackURL: redirectUri, sessionKey: 'transaction' }, verify);
    this.#step = step;
    this.#redirectUri = redirectUri;
  }

  /**
   * State and nonce always, whatever the metadata lists; the strategy stores and checks both. State
   * binds the response to this browser (RFC 9700 §4.7), the nonce binds the ID token to this request
   * (OpenID Connect Core §15.5.2), PKCE binds the code to it (RFC 7636).
   */
  override authorizationRequestParams(req: Request, options: AuthenticateOptions) {
    const params = new URLSearchParams(super.authorizationRequestParams(req, options));
    params.set('state', randomState());
    params.set('nonce', randomNonce());
    return params;
  }

  /** Never from the Host header, which the client chooses: only the query comes from the request. */
  override currentUrl(req: Request): URL {
    const url = new URL(this.#redirectUri);
    url.search = req.originalUrl.split('?').slice(1).join('?');
    return url;
  }

  /** By the route, not by the query: `/login?code=x` is no callback, a bare callback starts nothing. */
  override shouldInitiateAuthRequest() {
    return this.#step === 'start';
  }
}

/**
 * The authorization request (OpenID Connect Core §3.1.2.1): the address to send the browser to, and
 * what the response to it is checked against.
 */
export async function buildAuthorizationRequest(
  context: Context,
  config: Configuration,
  req: Request,
): Promise<{ location: string; state: string; nonce: string; codeVerifier: string }> {
  // What the strategy keeps there between its steps.
  const session: { transaction?: Record<string, string> } = {};
  const isAnew = req.query['prompt'] === 'login';
  const options = { ...resourceOf(context), ...(isAnew && { prompt: 'login' }) };
  const location = await new Promise<string>((resolve, reject) => {
    const strategy = new AuthKitStrategy('start', context, config, () => undefined);
    // passport would answer with the redirect at once, before the attempt is in its cookie.
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
 * The token request for the code of this callback (OpenID Connect Core §3.1.3.1); the signature of the
 * ID token is verified when this resolves.
 * @throws SignInError `access_denied`, or what openid-client rejects the response with
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
    // The strategy verifies the ID token, then calls this. passport's own sign-in ends here: which
    // session begins, and how, is decided by the route.
    const onVerified = (response: TokenResponse) => resolve(response);
    const strategy = new AuthKitStrategy('finish', context, config, onVerified);
    const failed = (error: unknown, _user?: unknown, info?: unknown) => {
      // The strategy reports "access_denied" as a failed authentication, all else as an error.
      const { message } = Object(info) as { message?: unknown };
      const said = new Error(`access_denied: ${String(message)}`);
      reject(error ?? new SignInError('access_denied', { cause: said }));
    };
    passport.authenticate(strategy, resourceOf(context), failed)(withSession(req, session), res);
  });
}

/** On both requests, or AuthKit may fall back to another audience (RFC 8707 §2.2). */
const resourceOf = ({ resource }: Context): AuthenticateOptions =>
  resource === undefined ? {} : { resource };

/** The strategy keeps its transaction in `req.session`. Ours is in a cookie of its own. */
const withSession = (req: Request, session: object) =>
  Object.create(req, { session: { value: session } }) as Request;
