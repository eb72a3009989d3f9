// What sign-in puts on a request, in one property: `req.authSession`. Guards believe nothing else, so
// that somebody whom another login put into `req.user` gets no further than there.
import type { SignInError } from './errors.ts';
import type { StoredSession } from './session/sealed-store.ts';
import type { SignedIn, User } from './sign-in/user.ts';
import type { TokenFacts } from './tokens/token-set.ts';

/** What `auth.session` read for this request. */
export interface AuthSession {
  /** The createAuth that read it: two of them in one app do not believe each other's. */
  readonly readBy: object;
  /** The session of this browser's cookie; absent when there is none. */
  stored?: StoredSession;
  /** Who is signed in, and what they have; absent when nobody is. */
  current?: SignedInSession;
  /** Set when the session could not be read: who this is, is not known. */
  unavailable?: SignInError;
}

/** The session of somebody who is signed in. */
export interface SignedInSession extends SignedIn {
  /** With the organization of the access token. */
  user: User;
  facts: TokenFacts;
  /** When the session was last noted to be in use, in milliseconds since the epoch. */
  lastSeenAt: number;
  /** Set when the access token is due and AuthKit could not be asked for a new one. */
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
