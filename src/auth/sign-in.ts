// The two steps of a sign-in, as passport and the strategy run them: `start` redirects to AuthKit,
// `finish` turns AuthKit's answer into a user and a token set. Everything else is in routes.ts.
import type { Request, RequestHandler, Response } from 'express';
import { Passport } from 'passport';
import type { Configuration, IDToken } from 'openid-client';
import { attemptId, type Attempts, type SignInAttempt } from './attempts.ts';
import type { RelyingParty } from './relying-party.ts';
import { SignInError } from './errors.ts';
import { toSignInError } from './failure.ts';
import { checkIdToken } from './id-token.ts';
import type { SameOriginPath } from './return-to.ts';
import { storeFailure } from './session-store.ts';
import { AuthKitStrategy, TRANSACTION, type StepOptions, type Transaction } from './strategy.ts';
import { isOfUser, keepTokens, type Grant, type TokenSet } from './tokens.ts';
import { userFromClaims, type User } from './user.ts';

export interface CompletedSignIn {
  user: User;
  claims: IDToken;
  tokens: TokenSet;
  grant: Grant;
}

export interface SignInSteps {
  /** Answers with a redirect to AuthKit; resolves to the attempt's id. */
  start(req: Request, res: Response, returnTo: SameOriginPath, prompt?: string): Promise<string>;
  /** @throws SignInError whatever was wrong with the answer */
  finish(req: Request, res: Response, attempt: SignInAttempt): Promise<CompletedSignIn>;
  /** Gives the request `logIn`; goes before the route that ends in it. */
  initialize: RequestHandler;
  /** Begins a session with a new id and saves it. @throws SignInError `store_unavailable` */
  logIn(req: Request, completed: CompletedSignIn): Promise<void>;
}

type Done = (error: unknown, id?: string) => void;

interface Settings {
  redirectUri: URL;
  scope: string;
  resource?: string;
}

// What passport calls the user is, on the way through it, the whole completed sign-in.
const asPassportUser = (completed: CompletedSignIn) => completed as unknown as Express.User;

export function createSignInSteps(
  relyingParty: RelyingParty,
  attempts: Attempts,
  beginSession: (req: Request, completed: CompletedSignIn) => void,
  settings: Settings,
): SignInSteps {
  const { redirectUri, scope } = settings;
  const passport = new Passport();
  // Called by logIn between making the new session and saving it.
  passport.serializeUser((req: Request, completed: unknown, done: Done) => {
    beginSession(req, completed as CompletedSignIn);
    done(null, (completed as CompletedSignIn).user.sub);
  });
  let current: Configuration | undefined;

  async function useStrategy(): Promise<void> {
    const { signIn: config } = await relyingParty.config();
    if (config === current) return;
    current = config;
    passport.use(
      new AuthKitStrategy({ config, redirectUri, scope }, async (response, verified) => {
        const claims = response.claims();
        if (!claims) throw new SignInError('id_token_invalid');
        checkIdToken(claims, config.clientMetadata().client_id);
        const hasEndSession = config.serverMetadata().end_session_endpoint !== undefined;
        const { tokens, grant } = keepTokens(response, scope, undefined, hasEndSession);
        const user = await userFromClaims(config, claims, tokens.accessToken, scope);
        if (!isOfUser(user, tokens.accessToken)) throw new SignInError('user_mismatch');
        if (grant.orgId !== undefined) user.orgId = grant.orgId;
        verified(null, asPassportUser({ user, claims, tokens, grant }));
      }),
    );
  }

  /** Runs one step with `slot` in the place of the session: an attempt has a record of its own. */
  function run(req: Request, res: Response, slot: object, options: StepOptions) {
    const attemptRequest = Object.create(req, { session: { value: slot } }) as Request;
    return new Promise<CompletedSignIn>((resolve, reject) => {
      const done = (error: unknown, completed: unknown, info?: unknown) => {
        if (completed) resolve(completed as CompletedSignIn);
        // The strategy reports "access_denied" as a failed authentication, all else as an error.
        else reject(error ?? new SignInError('access_denied', { cause: info }));
      };
      // The strategy's own `resource` setting reaches the authorization request only, not the token
      // request, and then AuthKit may fall back to another audience (RFC 8707 §2.2).
      const all =
        settings.resource === undefined ? options : { ...options, resource: settings.resource };
      passport.authenticate('authkit', all, done)(attemptRequest, res, reject);
    });
  }

  return {
    async start(req, res, returnTo, prompt) {
      await useStrategy();
      return new Promise<string>((resolve, reject) => {
        const slot = {
          // The strategy stores its transaction here right before it redirects.
          set [TRANSACTION](kept: Transaction) {
            const { state, nonce, code_verifier: codeVerifier } = kept;
            const attempt = { state, nonce, codeVerifier, returnTo, startedAt: Date.now() };
            attempts.keep(req, res, attempt);
            resolve(attemptId(state));
          },
        };
        run(req, res, slot, { step: 'start', ...(prompt && { prompt }) }).catch(reject);
      });
    },

    async finish(req, res, { state, nonce, codeVerifier, returnTo }) {
      await useStrategy();
      const transaction: Transaction = { state, nonce, code_verifier: codeVerifier };
      const slot = { [TRANSACTION]: transaction };
      return run(req, res, slot, { step: 'finish' }).catch((cause: unknown) => {
        const error = toSignInError(cause, returnTo);
        if (error.code !== 'clock_skew') throw error;
        const hint = describeSkew(relyingParty.clockSkewSeconds());
        throw new SignInError('clock_skew', { cause, returnTo, hint });
      });
    },

    initialize: passport.initialize({ compat: false }),

    async logIn(req, completed) {
      await new Promise<void>((resolve, reject) => {
        req.logIn(asPassportUser(completed), (error: unknown) =>
          error ? reject(error) : resolve(),
        );
      }).catch(storeFailure);
    },
  };
}

/** Measured by the Date header; a wrong clock at AuthKit's end shows the same way. */
function describeSkew(seconds: number): string {
  if (Math.abs(seconds) < 2) return 'AuthKit’s answers carry the same time as this server’s clock.';
  return `This server’s clock is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'ahead of' : 'behind'} AuthKit’s.`;
}
