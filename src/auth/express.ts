// All declaration merging of sign-in, in a normal module so that it is copied with the folder.
import type { SignInError } from './errors.ts';
import type { StoredSession } from './session-store.ts';
import type { Grant } from './tokens.ts';
import type { User as SignedInUser } from './user.ts';

/** What a signed-in session keeps beside its token record. Times are milliseconds. */
export interface SignedIn {
  /** Without `orgId`: that follows the access token. */
  user: SignedInUser;
  /** A session belongs to one application; at another AuthKit nobody is still signed in. */
  clientId: string;
  /** The verified claims of the ID token, apart from those in `user`. */
  claims: Record<string, unknown>;
  startedAt: number;
  lastSeenAt: number;
  endsAt: number;
}

declare module 'express-session' {
  interface SessionData {
    signedIn?: SignedIn;
  }
}

declare global {
  // oxlint-disable-next-line typescript/no-namespace
  namespace Express {
    // oxlint-disable-next-line typescript/no-empty-object-type
    interface User extends SignedInUser {}
    interface Request {
      /** The session of this browser's cookie as it was read; absent when there is none. */
      storedSession?: StoredSession;
      /** Facts of the user's token set; absent when nobody is signed in. */
      grant?: Grant;
      /** Set when the access token is due and AuthKit could not be asked for a new one. */
      authKitUnreachable?: SignInError;
      /** Set when the session could not be read: who this is, is not known. */
      sessionUnavailable?: SignInError;
    }
  }
}
