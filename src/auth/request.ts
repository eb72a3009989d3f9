// What sign-in adds to a request, in one property: `req.authSession`. Guards trust nothing else, so
// a user whom another login put into `req.user` passes no guard.
import type { SignInError } from './errors.ts';
import type { StoredSession } from './session/sealed-store.ts';
import type { SignedIn, User } from './sign-in/user.ts';
import type { TokenFacts } from './tokens/token-set.ts';

/** What `auth.session` read for this request. */
export interface AuthSession {
  /** The createAuth instance that read it: two in one app do not trust each other's sessions. */
  readonly readBy: object;
  /** Whether `req.user` follows `current`. */
  readonly setsReqUser: boolean;
  /** The decrypted session that this browser's cookie names, signed in or not. */
  stored?: StoredSession;
  /** `stored`, once accepted as this application's and not ended; absent without a signed-in user. */
  current?: SignedInSession;
  /** Set when the session could not be read, so that the user is unknown. */
  unavailable?: SignInError;
}

/** The session of a signed-in user. */
export interface SignedInSession extends SignedIn {
  /** Includes the organization of the access token. */
  user: User;
  facts: TokenFacts;
  /** When use of the session was last recorded, in milliseconds since the epoch. */
  lastSeenAt: number;
  /** Set when a refresh was due and did not succeed. */
  refreshFailed?: SignInError;
}

declare module 'express-session' {
  interface SessionData {
    signedIn?: SignedIn;
  }
}

declare global {
  // oxlint-disable-next-line typescript/no-namespace
  namespace Express {
    interface Request {
      authSession?: AuthSession;
    }
  }
}
