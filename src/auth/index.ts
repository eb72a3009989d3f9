// COPY THIS FOLDER (with src/store): sign-in with WorkOS AuthKit for Express pages.
// License: MIT, or 0BSD for what you copy, whichever you prefer.
//
// Wire it in this order:
//   const auth = createAuth({ issuer, clientId, clientSecret, baseUrl, sessionSecrets, records });
//   app.use(auth.session);                       // who is this? sets req.user
//   app.use(auth.routes);                        // GET/POST /login, GET /callback, POST /logout
//   app.get('/profile', auth.requireLogin, ...)  // a page for signed-in users
//   app.use(errorHandler);                       // yours: SignInError has code, status, message
//
// One sign-in, in request order: guards.ts, sign-in/routes.ts, sign-in/strategy.ts,
// sign-in/attempts.ts, (AuthKit), sign-in/user.ts, tokens/token-set.ts, session/session.ts.
// One refresh: guards.ts, tokens/refresh.ts, tokens/lease.ts, tokens/token-set.ts,
// session/sealed-store.ts.
// One sign-out: forms.ts, sign-out.ts, session/session.ts.
// Used by all: context.ts, request.ts, errors.ts, events.ts; AuthKit: issuer.ts, secure-urls.ts,
// issuer-keys.ts; storage: session/records.ts, session/cookie.ts, session/seal.ts.
import type { Request, Response } from 'express';
import { createContext, type AuthOptions } from './context.ts';
import { SignInError } from './errors.ts';
import * as guards from './guards.ts';
import { hostSession } from './session/host-session.ts';
import { readSession, sessionOf } from './session/session.ts';
import { endSessions, recheckSessions } from './session/elsewhere.ts';
import { ownSessions } from './session/list.ts';
import { signInRoutes } from './sign-in/routes.ts';
import { endedAtIssuer, signOut } from './sign-out.ts';
import { Refresher } from './tokens/refresh.ts';

export type { AuthOptions, Paths } from './context.ts';
export { SignInError, SIGN_IN_ERROR_CODES, type SignInErrorCode } from './errors.ts';
export type { SignInEvent, SignInEventListener } from './events.ts';
export { isLoopbackHttp } from './secure-urls.ts';
export { isNavigation, isDeclaredNonNavigation, isPrefetch } from './fetch-metadata.ts';
export type { SignedInSession } from './request.ts';
export { personIn, rejectForeignOrigin, rejectOtherPerson } from './forms.ts';
export type { SessionMatch } from './session/elsewhere.ts';
export type { OwnSession } from './session/list.ts';
export type { SessionRecords } from './session/records.ts';
export { createSealer } from './session/seal.ts';
export { currentSession, currentUser } from './session/session.ts';
export { sameOriginPath } from './sign-in/return-to.ts';
export type { User } from './sign-in/user.ts';
export { isExpired, renewsAt, type TokenFacts } from './tokens/token-set.ts';

/** What `createAuth` returns. */
export type Auth = ReturnType<typeof createAuth>;
/** What `auth.watch` resolves to: the session as it was then, and whether it still lasts. */
export type WatchedSession = Awaited<ReturnType<Auth['watch']>>;

/**
 * Wires sign-in together and starts discovering the issuer in the background.
 * @throws RangeError when one of `sessionSecrets` is shorter than 16 characters, `idleSeconds`,
 * `maxSeconds` or `staleSeconds` is not a whole number of seconds, `baseUrl` has a path, one of
 * `paths` is not a plain path, `cookieSuffix` cannot be part of a cookie name, one of
 * `loginParameters` is the protocol's own, or `clientAuthentication` lacks a secret
 */
export function createAuth(options: AuthOptions) {
  const context = createContext(options);
  const refresher = new Refresher(context);
  const { issuer, store, paths } = context;
  return {
    /** Reads the session; sets `req.user` unless other code has set it or `setReqUser` is false. */
    session: readSession(context),
    /** express-session for your routes that use `req.session`. Mount it after `session`. */
    hostSession: hostSession(context),
    /** GET and POST /login, GET /callback, POST /logout. */
    routes: signInRoutes(context).post(paths.logout, signOut(context)),
    /** The paths of these routes. */
    paths,
    /**
     * Requires a signed-in user; refreshes the token set if it is due and AuthKit can be reached.
     * @throws SignInError `store_unavailable`; `fresh_token_unavailable` after `staleSeconds`
     */
    requireLogin: guards.requireLogin(context, refresher),
    /**
     * Like requireLogin, and requires an access token that has not expired.
     * @throws SignInError `fresh_token_unavailable` while AuthKit cannot refresh it
     */
    requireFreshToken: guards.requireFreshToken(context, refresher),
    /**
     * Mount after requireLogin: requires an access token that is bound to an organization.
     * @throws SignInError `organization_required`; `fresh_token_unavailable` if it expired more
     * than five minutes ago
     */
    requireOrganization: guards.requireOrganization(context),
    /**
     * Mount after requireLogin: requires a permission of the access token, such as `posts:moderate`.
     * @throws SignInError `permission_required`; `fresh_token_unavailable` as requireOrganization
     */
    requirePermission: (permission: string) => guards.requirePermission(context, permission),
    /**
     * Mount after requireLogin: asks AuthKit whether the grant is active, and reuses a positive
     * response for `cacheSeconds`; 0 asks for each request.
     */
    requireActiveSession: (cacheSeconds: number) =>
      guards.requireActiveSession(context, cacheSeconds),
    /** Ends this browser's session; redirects to the end session endpoint or `paths.signedOut`. */
    signOut: signOut(context),
    /** Like `signOut`, and ends all other sessions of the user, at once on every instance. */
    signOutEverywhere: signOut(context, true),
    /** Ends sessions on news from AuthKit, at once on every instance. */
    endSessions: endSessions(context),
    /** On news from AuthKit: has sessions ask AuthKit at their next request. */
    recheckSessions: recheckSessions(context),
    /** The signed-in user's sessions. */
    sessions: ownSessions(context),
    /**
     * The session of a WebSocket upgrade or an event stream, from a request that needs no
     * middleware. Does not count as use, sets no cookie and does not refresh.
     * @throws SignInError `login_required`; `cross_site_request` for a page of another origin
     * (cross-site WebSocket hijacking); `store_unavailable`
     */
    watch: guards.watch(context, refresher),
    /**
     * The access token, for calls your server makes behind `requireFreshToken`; never for a page.
     * @throws SignInError `login_required` if the session has ended meanwhile; `store_unavailable`
     */
    async accessToken(req: Request): Promise<string> {
      const { stored } = sessionOf(context, req);
      const record = stored && (await store.readTokens(stored));
      if (!record) throw new SignInError('login_required');
      return record.tokens.accessToken;
    },
    /** Whether AuthKit advertises revocation; false until AuthKit was reached once. */
    advertisesRevocation: () => issuer.advertises('revocation_endpoint'),
    /** Whether a sign-out also asks AuthKit to end its session; false until it was reached once. */
    advertisesEndSession: () => issuer.advertises('end_session_endpoint'),
    /**
     * For your signed-out page: whether this request returns from AuthKit, whose session has ended
     * too. True once for each sign-out.
     */
    endedAtIssuer: (req: Request, res: Response) => endedAtIssuer(context, req, res),
    /** Whether AuthKit sends logout tokens; false until it was reached once. */
    advertisesBackchannelLogout: () => issuer.advertises('backchannel_logout_supported'),
    /** For a readiness check. Never rejects. */
    state: () => issuer.state(),
    /** Stops discovery. Resolves once no refresh is in progress; close the store after that. */
    close(): Promise<void> {
      issuer.close();
      return refresher.settled();
    },
  };
}
