// The two steps of a sign-in: `start` redirects to AuthKit, `finish` turns AuthKit's answer into a
// user and a token set. What runs them is in passport.ts, what is around them in routes.ts.
import type { Request, Response } from 'express';
import { attemptId, type Attempts, type SignInAttempt } from './attempts.ts';
import { SignInError } from './errors.ts';
import { toSignInError } from './failure.ts';
import type { CompletedSignIn, SignInPassport } from './passport.ts';
import type { RelyingParty } from './relying-party.ts';
import type { SameOriginPath } from './return-to.ts';
import { TRANSACTION, type Transaction } from './strategy.ts';

export interface SignInSteps extends Pick<SignInPassport, 'initialize' | 'logIn'> {
  /** Answers with a redirect to AuthKit; resolves to the attempt's id. @throws as `run` */
  start(req: Request, res: Response, returnTo: SameOriginPath, prompt?: string): Promise<string>;
  /** @throws SignInError whatever was wrong with the answer */
  finish(req: Request, res: Response, attempt: SignInAttempt): Promise<CompletedSignIn>;
}

/** Ties what passport runs to the attempt that this browser holds. */
export function createSignInSteps(
  passport: SignInPassport,
  attempts: Attempts,
  relyingParty: RelyingParty,
): SignInSteps {
  return {
    initialize: passport.initialize,
    logIn: (req, completed) => passport.logIn(req, completed),

    start(req, res, returnTo, prompt) {
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
        const options = { step: 'start' as const, ...(prompt && { prompt }) };
        passport.run(req, res, slot, options).catch(reject);
      });
    },

    finish(req, res, { state, nonce, codeVerifier, returnTo }) {
      const transaction: Transaction = { state, nonce, code_verifier: codeVerifier };
      const slot = { [TRANSACTION]: transaction };
      return passport.run(req, res, slot, { step: 'finish' }).catch((cause: unknown) => {
        const error = toSignInError(cause, returnTo);
        if (error.code !== 'clock_skew') throw error;
        const hint = describeSkew(relyingParty.clockSkewSeconds());
        throw new SignInError('clock_skew', { cause, returnTo, hint });
      });
    },
  };
}

/** Measured by the Date header; a wrong clock at AuthKit's end shows the same way. */
function describeSkew(seconds: number): string {
  if (Math.abs(seconds) < 2) return 'AuthKit’s answers carry the same time as this server’s clock.';
  return `This server’s clock is ${Math.abs(seconds)} seconds ${seconds > 0 ? 'ahead of' : 'behind'} AuthKit’s.`;
}
