// COPY THIS FOLDER (with src/store): sign-in with WorkOS AuthKit for Express pages.
// Licence: MIT, or 0BSD for what you copy, as you like.
//
// Wire it in this order:
//   const auth = createAuth({ issuer, clientId, clientSecret, baseUrl, sessionSecrets, records });
//   app.use(auth.session);                       // who is this? sets req.user
//   app.use(auth.routes);                        // GET /login, GET /callback, POST /logout
//   app.get('/profile', auth.requireLogin, ...)  // a page for signed-in people
//   app.use(errorHandler);                       // yours: SignInError has code, status, message, advice
//
// One sign-in, in reading order: guards.ts, routes.ts, sign-in.ts, passport.ts, strategy.ts,
// attempts.ts, (AuthKit), routes.ts again, id-token.ts, tokens.ts, user.ts, begin-session.ts,
// session-store.ts, session.ts.
// One refresh: guards.ts, refresh.ts, lease.ts, exchange.ts, tokens.ts, session-store.ts.
import './express.ts';
import type { Request, RequestHandler, Router } from 'express';
import { createRequireActiveSession } from './active-session.ts';
import { createAttempts } from './attempts.ts';
import { createBeginSession } from './begin-session.ts';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { createExchange } from './exchange.ts';
import { createGuards, type Guards } from './guards.ts';
import { createOwnSessions, type OwnSessions } from './own-sessions.ts';
import { createSignInPassport } from './passport.ts';
import { createPause } from './pause.ts';
import type { SessionRecords } from './records.ts';
import { createRefresher } from './refresh.ts';
import { createRelyingParty, type RelyingParty } from './relying-party.ts';
import { advertisesRevocation, createTakeOver } from './revocation.ts';
import { createSignInRoutes } from './routes.ts';
import { rejectForeignOrigin } from './same-origin.ts';
import { createSession } from './session.ts';
import type { SessionSettings } from './session-settings.ts';
import { SealedSessionStore } from './session-store.ts';
import { createSignInSteps } from './sign-in.ts';
import { createSignOut, type SignOut } from './sign-out.ts';
import type { User } from './user.ts';

export { SignInError, SIGN_IN_ERROR_CODES, type SignInErrorCode } from './errors.ts';
export type { SignInEvent, SignInEventListener } from './events.ts';
export { currentUser, isNavigation, isPrefetch } from './guards.ts';
export type { OwnSession } from './own-sessions.ts';
export type { SessionRecords } from './records.ts';
export { sameOriginPath } from './return-to.ts';
export { rejectForeignOrigin } from './same-origin.ts';
export { createSealer } from './seal.ts';
export { renewsAt, type Grant } from './tokens.ts';
export { isLoopbackHttp } from './discovery.ts';
export { userKey, type User } from './user.ts';

const DEFAULT_SCOPE = 'openid profile email offline_access';
const YEAR_S = 31_536_000;
const DAY_S = 86_400;

export interface AuthOptions {
  /** AuthKit's issuer; https, or http on loopback. */
  issuer: URL;
  clientId: string;
  /** Leave it out for a Public application. */
  clientSecret?: string;
  /** The public origin of this app; the redirect URI is always `/callback` below it. */
  baseUrl: URL;
  /** Scopes asked for, `openid` among them; default: `openid profile email offline_access`. */
  scope?: string;
  /** Resource indicator (RFC 8707), sent on authorize, token and refresh. */
  resource?: string;
  /** The first signs and seals, all verify and open. Random, of at least 32 characters each. */
  sessionSecrets: readonly string[];
  /** A session not used for this long ends; default: a day. */
  idleSeconds?: number;
  /** A session ends at the latest after this long; default: seven days. */
  maxSeconds?: number;
  /** Where sessions are kept: src/store has two. */
  records: SessionRecords;
  /** Your own user table: called with each user before the session begins. */
  onSignIn?: (user: User) => Promise<void> | void;
  /** Your log. */
  onEvent?: SignInEventListener;
}

export interface Auth extends Guards, SignOut, Pick<RelyingParty, 'state' | 'close'> {
  /** Reads the session; sets `req.user` and `req.grant` when somebody is signed in. */
  session: RequestHandler;
  /** GET /login, GET /callback, POST /logout. */
  routes: Router;
  /** A guard that asks AuthKit whether the grant still stands, at most every `cacheSeconds`. */
  requireActiveSession: (cacheSeconds: number) => RequestHandler;
  /**
   * The access token behind `requireFreshToken`, for a call your server makes; never for a page.
   * @throws SignInError `login_required` when the session has ended meanwhile
   */
  accessToken: (req: Request) => Promise<string>;
  /** The signed-in person's sessions. */
  sessions: OwnSessions;
  /** Whether AuthKit advertises revocation; false while it was never reached. */
  advertisesRevocation: () => boolean;
}

/**
 * Puts sign-in together. Starts to look for the issuer at once, and does not wait for it.
 * @throws RangeError when one of `sessionSecrets` is shorter than 16 characters, `idleSeconds` or `maxSeconds`
 * is no whole number of seconds, or `baseUrl` has a path
 */
export function createAuth(options: AuthOptions): Auth {
  const { baseUrl, records, onSignIn = () => undefined, onEvent = () => undefined } = options;
  const { session, maxSeconds, requested } = settingsOf(options);
  const store = new SealedSessionStore(records, session);
  const relyingParty = createRelyingParty(options, onEvent);
  const parts = { relyingParty, store, records, session, onEvent };

  const { middleware, mustBeRead } = createSession(session, store);
  const redirectUri = new URL('/callback', baseUrl);
  const beginSession = createBeginSession(store, session, maxSeconds);
  const passport = createSignInPassport(relyingParty, beginSession, { ...requested, redirectUri });
  const attempts = createAttempts(session.secrets, session.secure);
  const steps = createSignInSteps(passport, attempts, relyingParty);
  const takeOver = createTakeOver(relyingParty, store, onEvent);
  const routes = createSignInRoutes({
    steps,
    attempts,
    records,
    takeOver,
    mustBeRead,
    onSignIn,
    onEvent,
  });
  const out = createSignOut({ ...parts, baseUrl });
  // GET never signs out: a prefetched link or an image would do it.
  routes.post('/logout', rejectForeignOrigin(baseUrl), out.signOut);

  const pause = createPause();
  const exchange = createExchange({ ...parts, pause, requested });
  return {
    session: middleware,
    routes,
    ...createGuards(session, createRefresher(exchange, pause, store, records), mustBeRead),
    requireActiveSession: (cacheSeconds) => createRequireActiveSession(parts, cacheSeconds),
    async accessToken(req) {
      const held = req.storedSession && (await store.readTokens(req.storedSession.sid));
      if (!held) throw new SignInError('login_required');
      return held.tokens.accessToken;
    },
    sessions: createOwnSessions(records, onEvent),
    ...out,
    advertisesRevocation() {
      const discovered = relyingParty.known();
      return discovered !== undefined && advertisesRevocation(discovered.afterwards);
    },
    state: () => relyingParty.state(),
    close: () => relyingParty.close(),
  };
}

function settingsOf(options: AuthOptions) {
  const { issuer, clientId, baseUrl, scope = DEFAULT_SCOPE, resource } = options;
  // The cookie, /login and /callback belong to a whole host.
  if (baseUrl.pathname !== '/')
    throw new RangeError(`baseUrl: ${baseUrl.href} has a path; give an origin`);
  const session: SessionSettings = {
    issuer,
    clientId,
    secrets: options.sessionSecrets,
    idleSeconds: seconds('idleSeconds', options.idleSeconds ?? DAY_S),
    secure: baseUrl.protocol === 'https:',
  };
  const requested = { scope, ...(resource !== undefined && { resource }) };
  const maxSeconds = seconds('maxSeconds', options.maxSeconds ?? 7 * DAY_S);
  return { session, maxSeconds, requested };
}

// A fraction would be a time that Redis refuses, and Infinity one that no cookie has.
function seconds(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0 && value <= YEAR_S) return value;
  throw new RangeError(`${name}: ${value} is not a whole number of seconds from 1 to ${YEAR_S}`);
}
