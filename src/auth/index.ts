// COPY THIS FOLDER (with src/store): sign-in with WorkOS AuthKit for Express pages.
// Licence: MIT, or 0BSD for what you copy, as you like.
//
// Wire it in this order:
//   const auth = createAuth({ issuer, clientId, clientSecret, baseUrl, sessionSecrets, records });
//   app.use(auth.session);                       // who is this? sets req.user
//   app.use(auth.routes);                        // GET /login, GET /callback, POST /logout
//   app.get('/profile', auth.requireLogin, ...)  // a page for signed-in people
//   app.use(errorHandler);                       // yours: SignInError has code, status, message
//
// One sign-in, in request order: guards.ts, sign-in/routes.ts, sign-in/strategy.ts,
// sign-in/attempts.ts, (AuthKit), sign-in/user.ts, tokens/token-set.ts, session/session.ts.
// One refresh: guards.ts, tokens/refresh.ts, tokens/lease.ts, tokens/token-set.ts, session/sealed-store.ts.
// One sign-out: forms.ts, sign-out.ts, session/session.ts.
import { Router, type Request } from 'express';
import { createContext, type AuthOptions } from './context.ts';
import { SignInError } from './errors.ts';
import * as guards from './guards.ts';
import { hostSession } from './session/host-session.ts';
import { readSession, sessionOf } from './session/session.ts';
import { ownSessions } from './session/list.ts';
import { signInRoutes } from './sign-in/routes.ts';
import { signOut, signOutRoutes } from './sign-out.ts';
import { Refresher } from './tokens/refresh.ts';

export type { AuthOptions, Paths } from './context.ts';
export { SignInError, SIGN_IN_ERROR_CODES, type SignInErrorCode } from './errors.ts';
export type { SignInEvent, SignInEventListener } from './events.ts';
export { isLoopbackHttp } from './issuer.ts';
export { isNavigation, isNoNavigation, isPrefetch } from './fetch-metadata.ts';
export type { SignedInSession } from './request.ts';
export { personIn, rejectForeignOrigin, rejectOtherPerson } from './forms.ts';
export type { OwnSession } from './session/list.ts';
export type { SessionRecords } from './session/records.ts';
export { createSealer } from './session/seal.ts';
export { currentSession, currentUser } from './session/session.ts';
export { sameOriginPath } from './sign-in/return-to.ts';
export type { User } from './sign-in/user.ts';
export { isExpired, renewsAt, type TokenFacts } from './tokens/token-set.ts';

/** What `createAuth` returns. */
export type Auth = ReturnType<typeof createAuth>;

/**
 * Puts sign-in together. Starts to look for the issuer at once, and does not wait for it.
 * @throws RangeError when one of `sessionSecrets` is shorter than 16 characters, `idleSeconds` or
 * `maxSeconds` is no whole number of seconds, `baseUrl` has a path, or one of `paths` is none
 */
export function createAuth(options: AuthOptions) {
  const context = createContext(options);
  const refresher = new Refresher(context);
  const { issuer, store, paths } = context;
  return {
    /** Reads the session; sets `req.user` when somebody is signed in and nobody else has set it. */
    session: readSession(context),
    /** express-session, for your routes that use `req.session`; after `session`. */
    hostSession: hostSession(context),
    /** GET /login, GET /callback, POST /logout. */
    routes: Router().use(signInRoutes(context), signOutRoutes(context)),
    /** Where these are. */
    paths,
    /**
     * Somebody is signed in; their token set is renewed if due and AuthKit can be reached.
     * @throws SignInError `store_unavailable`
     */
    requireLogin: guards.requireLogin(context, refresher),
    /**
     * As requireLogin, and the access token has not expired.
     * @throws SignInError `fresh_token_unavailable` while AuthKit cannot renew it
     */
    requireFreshToken: guards.requireFreshToken(context, refresher),
    /**
     * After requireLogin: the access token is bound to an organization.
     * @throws SignInError `organization_required`; `fresh_token_unavailable` where it ended long ago
     */
    requireOrganization: guards.requireOrganization(context),
    /** After requireLogin: AuthKit calls the grant active, asked at most every `cacheSeconds`. */
    requireActiveSession: (cacheSeconds: number) =>
      guards.requireActiveSession(context, cacheSeconds),
    /** Ends this browser's session and answers with the redirect that follows a sign-out. */
    signOut: signOut(context),
    /** As `signOut`, and ends every other session of the person, at once on every instance. */
    signOutEverywhere: signOut(context, true),
    /** The signed-in person's sessions. */
    sessions: ownSessions(context),
    /**
     * The access token behind `requireFreshToken`, for a call your server makes; never for a page.
     * @throws SignInError `login_required` when the session has ended meanwhile
     */
    async accessToken(req: Request): Promise<string> {
      const { stored } = sessionOf(context, req);
      const held = stored && (await store.readTokens(stored));
      if (!held) throw new SignInError('login_required');
      return held.tokens.accessToken;
    },
    /** Whether AuthKit advertises revocation; false while it was never reached. */
    advertisesRevocation: () => issuer.advertises('revocation_endpoint'),
    /** Whether a sign-out leads through AuthKit, which ends its session too; false as above. */
    advertisesEndSession: () => issuer.advertises('end_session_endpoint'),
    /** For a readiness check. Never rejects. */
    state: () => issuer.state(),
    /** Stops looking for the issuer. Resolves once no refresh is under way: close the store after it. */
    close(): Promise<void> {
      issuer.close();
      return refresher.settled();
    },
  };
}
