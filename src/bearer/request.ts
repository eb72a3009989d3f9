// The type of `req.accessToken`. Apart from `req.user` on purpose: an API call is never taken for a
// signed-in browser.
import type { JWTPayload } from 'jose';

/** A verified access token. The token itself is not in it, so that it cannot leak from here. */
export interface AccessToken {
  readonly sub: string;
  /** The application that asked for the token. */
  readonly clientId: string | undefined;
  /** The organization its user chose, or the application's own. */
  readonly orgId: string | undefined;
  readonly scopes: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** Whether an application speaks for itself (client credentials) rather than for a user. */
  readonly isMachine: boolean;
  readonly claims: Readonly<JWTPayload>;
}

declare global {
  namespace Express {
    interface Request {
      /** Set by requireAccessToken. */
      accessToken?: AccessToken;
    }
  }
}
