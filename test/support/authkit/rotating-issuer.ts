// An issuer that rotates refresh tokens as AuthKit does: each works once, and only the one spent
// last may be repeated. Any older spent token is refused and ends the chain.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { json } from './issuer.ts';
import { startSignInIssuer, type SignInIssuer } from './sign-in-issuer.ts';

export interface RotatingIssuer {
  issuer: SignInIssuer;
  /** The number of refresh requests. */
  refreshes: () => number;
  /** How they are treated: `fail` gives 503, `hold` spends the token and sends no response. */
  mode: 'respond' | 'fail' | 'hold';
  /** Runs a sign-in, which starts a chain of refresh tokens; resolves to the name of the chain. */
  duringSignIn(signIn: () => Promise<void>): Promise<string>;
  endChain(name: string): void;
}

export async function startRotatingIssuer(): Promise<RotatingIssuer> {
  const issuer = await startSignInIssuer();
  // The number of the valid token, by chain.
  const current = new Map<string, number>();
  let chains = 0;
  let refreshes = 0;

  async function rotate(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(req));
    const [chain = '', number = ''] = (form.get('refresh_token') ?? '').split('.');
    refreshes += 1;
    if (self.mode === 'fail') return json(res, {}, 503);
    const expected = current.get(chain);
    if (expected === undefined || Number(number) < expected - 1) {
      current.delete(chain);
      return json(res, { error: 'invalid_grant' }, 400);
    }
    // A repeated token gets the same successor.
    const next = Number(number) + 1;
    current.set(chain, next);
    if (self.mode === 'hold') return undefined;
    const access_token = await issuer.sign();
    const refresh_token = `${chain}.${next}`;
    return json(res, { access_token, refresh_token, token_type: 'bearer', expires_in: 300 });
  }

  const self: RotatingIssuer = {
    issuer,
    mode: 'respond',
    refreshes: () => refreshes,
    async duringSignIn(signIn) {
      const chain = `chain${(chains += 1)}`;
      current.set(chain, 1);
      issuer.vary = { response: { refresh_token: `${chain}.1` } };
      await signIn();
      issuer.vary = { token: (req, res) => void rotate(req, res) };
      return chain;
    },
    endChain: (name) => void current.delete(name),
  };
  return self;
}
