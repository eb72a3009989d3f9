// passport and the strategy for the two steps of a sign-in, and nothing else: who a request is from
// is decided in session.ts. openid-client's configuration comes with discovery, so the strategy does.
import type { Request, RequestHandler, Response } from 'express';
import type {
  Configuration,
  IDToken,
  TokenEndpointResponse,
  TokenEndpointResponseHelpers,
} from 'openid-client';
import { Passport } from 'passport';
import { dataToKeep, type Beginning } from './begin-session.ts';
import { SignInError } from './errors.ts';
import { storeFailure } from './failure.ts';
import { checkIdToken } from './id-token.ts';
import type { RelyingParty } from './relying-party.ts';
import { AuthKitStrategy, type StepOptions } from './strategy.ts';
import { isOfUser, keepTokens, type Grant, type TokenSet } from './tokens.ts';
import { userFromClaims, type User } from './user.ts';

export interface CompletedSignIn {
  user: User;
  claims: IDToken;
  tokens: TokenSet;
  grant: Grant;
}

export interface SignInSettings {
  redirectUri: URL;
  /** Scopes asked for, separated by spaces. */
  scope: string;
  /** Resource indicator (RFC 8707). */
  resource?: string;
}

export interface SignInPassport {
  /** Gives the request `logIn`; goes before the route that ends in it. */
  initialize: RequestHandler;
  /**
   * Runs one step with `slot` in the place of the session: an attempt has a record of its own.
   * Resolves when a sign-in is complete; a step that redirects never does.
   * @throws SignInError, or what openid-client rejects the answer with
   */
  run(req: Request, res: Response, slot: object, options: StepOptions): Promise<CompletedSignIn>;
  /** Begins a session with a new id and saves it. @throws SignInError `store_unavailable` */
  logIn(req: Request, completed: CompletedSignIn): Promise<void>;
}

type Done = (error: unknown, id?: string) => void;

// What passport calls the user is, on the way through it, the whole completed sign-in.
const asPassportUser = (completed: CompletedSignIn) => completed as unknown as Express.User;

/** `beginSession` fills the new session, between its making and its saving. */
export function createSignInPassport(
  relyingParty: RelyingParty,
  beginSession: (req: Request, beginning: Beginning) => void,
  settings: SignInSettings,
): SignInPassport {
  const { redirectUri, scope, resource } = settings;
  const passport = new Passport();
  passport.serializeUser((req: Request, beginning: unknown, done: Done) => {
    beginSession(req, beginning as Beginning);
    done(null, (beginning as Beginning).user.sub);
  });
  let current: Configuration | undefined;

  async function useStrategy(): Promise<void> {
    const { signIn: config } = await relyingParty.config();
    if (config === current) return;
    current = config;
    passport.use(
      new AuthKitStrategy({ config, redirectUri, scope }, async (response, verified) => {
        verified(null, asPassportUser(await completeSignIn(config, response, scope)));
      }),
    );
  }

  return {
    initialize: passport.initialize({ compat: false }),

    async run(req, res, slot, step) {
      await useStrategy();
      const attemptRequest = Object.create(req, { session: { value: slot } }) as Request;
      // The strategy's own `resource` setting reaches the authorization request only, not the token
      // request, and then AuthKit may fall back to another audience (RFC 8707 §2.2).
      const options = resource === undefined ? step : { ...step, resource };
      return new Promise((resolve, reject) => {
        const done = (error: unknown, completed: unknown, info?: unknown) => {
          if (completed) resolve(completed as CompletedSignIn);
          // The strategy reports "access_denied" as a failed authentication, all else as an error.
          else reject(error ?? new SignInError('access_denied', { cause: info }));
        };
        passport.authenticate('authkit', options, done)(attemptRequest, res, reject);
      });
    },

    async logIn(req, completed) {
      const beginning = { ...completed, kept: dataToKeep(req, completed.user) };
      await new Promise<void>((resolve, reject) => {
        req.logIn(asPassportUser(beginning), (error: unknown) =>
          error ? reject(error) : resolve(),
        );
      }).catch(storeFailure);
    },
  };
}

/** From the token response of a sign-in to its user; the ID token's signature is verified by then. */
async function completeSignIn(
  config: Configuration,
  response: TokenEndpointResponse & TokenEndpointResponseHelpers,
  scope: string,
): Promise<CompletedSignIn> {
  const claims = response.claims();
  if (!claims) throw new SignInError('id_token_invalid');
  checkIdToken(claims, config.clientMetadata().client_id);
  const hasEndSession = config.serverMetadata().end_session_endpoint !== undefined;
  const { tokens, grant } = keepTokens(response, scope, undefined, hasEndSession);
  const user = await userFromClaims(config, claims, tokens.accessToken, scope);
  if (!isOfUser(user, tokens.accessToken)) throw new SignInError('user_mismatch');
  if (grant.orgId !== undefined) user.orgId = grant.orgId;
  return { user, claims, tokens, grant };
}
