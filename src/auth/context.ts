// The one object that every part of sign-in gets: the options with their defaults, the issuer and
// the sessions.
import { hash } from 'node:crypto';
import type { Request } from 'express';
import session from 'express-session';
import type { SignInEventListener } from './events.ts';
import { Issuer, type ClientOptions } from './issuer.ts';
import { SessionCookie } from './session/cookie.ts';
import type { SessionRecords } from './session/records.ts';
import { createSealer } from './session/seal.ts';
import { SealedSessionStore } from './session/sealed-store.ts';
import type { User } from './sign-in/user.ts';

/** Where the routes of sign-in are, each a path on the origin of `baseUrl`. */
export interface Paths {
  /** GET; default `/login`. */
  login: string;
  /** GET, the redirect URI; default `/callback`. */
  callback: string;
  /** POST; default `/logout`. */
  logout: string;
  /** A public page of yours, where a sign-out leads; default `/signed-out`. */
  signedOut: string;
}

export interface AuthOptions extends ClientOptions {
  /** The public origin of this app; the redirect URI is `paths.callback` on it. */
  baseUrl: URL;
  paths?: Partial<Paths>;
  /** Ends the names of this application's cookies; default: a hash of `clientId` and `baseUrl`. */
  cookieSuffix?: string;
  /** Scopes asked for, `openid` among them; default: `openid profile email offline_access`. */
  scope?: string;
  /** Resource indicator (RFC 8707), sent on authorize, token and refresh. */
  resource?: string;
  /** The first signs and seals, all verify and open. Random, of 32 characters or more; fewer than 16 are refused. */
  sessionSecrets: readonly string[];
  /** A session not used for this long ends; default: a day. */
  idleSeconds?: number;
  /** A session ends at the latest after this long; default: seven days. */
  maxSeconds?: number;
  /**
   * While AuthKit is away, sessions go on for this long after their access token has ended; default: an
   * hour. From then on guards answer 503 until AuthKit is back.
   */
  staleSeconds?: number;
  /** Where sessions are kept: src/store has two. */
  records: SessionRecords;
  /** What a person's list of sessions calls the one that begins with this request. */
  labelSession?: (req: Request) => string;
  /** Your own user table: called with each user before the session begins. */
  onSignIn?: (user: User) => Promise<void> | void;
  /** Your log. */
  onEvent?: SignInEventListener;
}

export type Context = ReturnType<typeof createContext>;

const DEFAULT_PATHS: Paths = {
  login: '/login',
  callback: '/callback',
  logout: '/logout',
  signedOut: '/signed-out',
};
const YEAR_S = 31_536_000;
const DAY_S = 86_400;

/**
 * Puts the parts together and begins to look for the issuer.
 * @throws RangeError for a secret, a time, a path or a base URL that cannot be right
 */
export function createContext(options: AuthOptions) {
  const { clientId, baseUrl, records, sessionSecrets: secrets } = options;
  const { labelSession = () => '', onSignIn = () => {} }: AuthOptions = options;
  // A log that fails must not fail a sign-in, or end the process from the background.
  const tell = async (...told: Parameters<SignInEventListener>) => options.onEvent?.(...told);
  const onEvent: SignInEventListener = (...told) => void tell(...told).catch(() => undefined);
  // A cookie belongs to a whole host; where on it the routes are, `paths` says.
  if (baseUrl.pathname !== '/')
    throw new RangeError(`baseUrl: ${baseUrl.href} has a path; give an origin`);
  const paths = checkedPaths({ ...DEFAULT_PATHS, ...options.paths });
  const lifetimes = {
    idleMs: 1000 * seconds('idleSeconds', options.idleSeconds ?? DAY_S),
    maxMs: 1000 * seconds('maxSeconds', options.maxSeconds ?? 7 * DAY_S),
  };
  const scope = options.scope ?? 'openid profile email offline_access';
  // Whether browsers reach the app by https: this decides `Secure`, whatever a proxy's connection is.
  const isSecure = baseUrl.protocol === 'https:';
  // Cookies are shared by all ports of a host: applications on one machine must not sign each other out.
  const cookieSuffix =
    options.cookieSuffix ?? hash('sha256', clientId + baseUrl.origin, 'base64url').slice(0, 6);
  if (!/^[\w-]+$/.test(cookieSuffix))
    throw new RangeError(`cookieSuffix: ${cookieSuffix} has more than letters, digits, - and _`);
  const cookie = new SessionCookie(`-${cookieSuffix}`, secrets, isSecure);
  const store = new SealedSessionStore(records, cookie, secrets, lifetimes);
  return {
    clientId,
    /** As configured; `issuer` is what it says about itself. */
    issuerUrl: options.issuer,
    issuer: new Issuer(options, onEvent),
    baseUrl,
    isSecure,
    cookieSuffix,
    paths,
    /** Paths that no sign-in leads back to. */
    notPages: [paths.login, paths.callback, paths.logout],
    redirectUri: new URL(paths.callback, baseUrl),
    scope,
    /** Whether a sign-in asks for a refresh token: a session without one then ends with its access token. */
    asksOffline: scope.split(' ').includes('offline_access'),
    staleMs: 1000 * seconds('staleSeconds', options.staleSeconds ?? 3_600),
    resource: options.resource,
    ...lifetimes,
    records,
    cookie,
    store,
    expressSession: session({
      name: cookie.name,
      store,
      secret: [...secrets],
      cookie: { ...cookie.attributes, maxAge: lifetimes.idleMs },
      // A request that changed nothing writes nothing: it could only write old data back.
      resave: false,
      saveUninitialized: false,
    }),
    attemptSealer: createSealer(secrets, 'sign-in attempt'),
    labelSession,
    onSignIn,
    onEvent,
  };
}

/** One spelling each: what stands there is compared with, and ends up in a Location header. */
function checkedPaths(paths: Paths): Paths {
  const values = Object.values(paths);
  const wrong = values.find((path) => !/^(?:\/[\w~-][\w.~-]*)+$/.test(path));
  if (wrong !== undefined) throw new RangeError(`paths: ${wrong} is no plain path such as /login`);
  // As Express matches them: whatever the case.
  if (new Set(values.map((path) => path.toLowerCase())).size < values.length)
    throw new RangeError('paths: two of them are the same');
  return paths;
}

// A fraction would be a time that Redis refuses, and Infinity one that no cookie has.
function seconds(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0 && value <= YEAR_S) return value;
  throw new RangeError(`${name}: ${value} is not a whole number of seconds from 1 to ${YEAR_S}`);
}
