// The session's settings, known to the store and the middleware alike.

export interface SessionSettings {
  issuer: URL;
  clientId: string;
  secrets: readonly string[];
  idleSeconds: number;
  /** BASE_URL is https. That decides `Secure`, not the connection, which a proxy may have made. */
  secure: boolean;
}
