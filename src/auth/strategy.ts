// openid-client's passport strategy, hardened without a fork. Left alone it sends neither state nor
// nonce to an issuer that lists S256, lets the query decide whether a request starts or finishes a
// sign-in, and keeps one pending sign-in per session.
import type { Request } from 'express';
import { randomNonce, randomState, type Configuration } from 'openid-client';
import { Strategy, type AuthenticateOptions, type VerifyFunction } from 'openid-client/passport';

export interface StepOptions extends AuthenticateOptions {
  /** Decided by the route: `/login?code=x` is no callback, a bare `/callback` starts nothing. */
  step: 'start' | 'finish';
}

/** Where the strategy keeps what binds the answer to the request; see `attempts.ts`. */
export const TRANSACTION = 'transaction';

/** What the strategy keeps there. */
export interface Transaction {
  state: string;
  nonce: string;
  code_verifier: string;
}

interface Settings {
  config: Configuration;
  redirectUri: URL;
  scope: string;
}

/** One sign-in attempt; `verify` gets the token response once the ID token has passed its checks. */
export class AuthKitStrategy extends Strategy {
  // Not a #private field: passport works on objects derived from this one, which have none.
  private readonly redirectUri: URL;

  constructor({ redirectUri, ...settings }: Settings, verify: VerifyFunction) {
    super(
      { ...settings, name: 'authkit', callbackURL: redirectUri, sessionKey: TRANSACTION },
      verify,
    );
    this.redirectUri = redirectUri;
  }

  /**
   * State and nonce, always, whatever the metadata lists; the strategy stores and checks both.
   * State binds the answer to this browser (RFC 9700 §4.7), the nonce binds the ID token to this
   * request (OpenID Connect Core §15.5.2), PKCE binds the code to it (RFC 7636).
   */
  override authorizationRequestParams(req: Request, options: AuthenticateOptions) {
    const params = new URLSearchParams(super.authorizationRequestParams(req, options));
    params.set('state', randomState());
    params.set('nonce', randomNonce());
    return params;
  }

  /** Never from the Host header, which the client chooses: only the query comes from the request. */
  override currentUrl(req: Request): URL {
    const url = new URL(this.redirectUri);
    url.search = req.originalUrl.split('?').slice(1).join('?');
    return url;
  }

  /** Not from the query, which anybody can write. */
  override shouldInitiateAuthRequest(_req: Request, _url: URL, options: AuthenticateOptions) {
    return (options as StepOptions).step === 'start';
  }
}
