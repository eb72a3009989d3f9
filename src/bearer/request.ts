// The type of `req.accessToken`. It is separate from `req.user`, so that an API call is never
// mistaken for a signed-in browser.
import type { JWTPayload } from 'jose';

/** A verified access token, without the token itself, so that it cannot leak from here. */
export interface AccessToken {
  readonly sub: string;
  /** The application that requested the token. */
  readonly clientId: string | undefined;
  /** The organization the user selected, or the application's own. */
  readonly orgId: string | undefined;
  readonly scopes: readonly string[];
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** Whether an application acts for itself (client credentials), not for a user. */
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
