// The one object that every part of sign-in receives: the options with their defaults, the issuer
// and the session store.
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

/** The paths of sign-in, all on the origin of `baseUrl`. */
export interface Paths {
  /** GET and POST; default `/login`. */
  login: string;
  /** GET, the redirect URI; default `/callback`. */
  callback: string;
  /** POST; default `/logout`. */
  logout: string;
  /** Your public page that a sign-out redirects to; default `/signed-out`. */
  signedOut: string;
}

export interface AuthOptions extends ClientOptions {
  /** The public origin of this app; the redirect URI is `paths.callback` on it. */
  baseUrl: URL;
  paths?: Partial<Paths>;
  /** Suffix of this application's cookie names; default: a hash of `clientId` and `baseUrl`. */
  cookieSuffix?: string;
  /** Requested scopes, including `openid`; default: `openid profile email offline_access`. */
  scope?: string;
  /**
   * Parameters of the login URL that are handed on in the authorization request, such as
   * `login_hint` or AuthKit's `organization_id` and `screen_hint`; default: none but `prompt=login`.
   */
  loginParameters?: readonly string[];
  /**
   * Whether every sign-in asks UserInfo, for claims of your own that the ID token lacks; default:
   * only if it lacks a requested name or e-mail address.
   */
  alwaysFetchUserInfo?: boolean;
  /** Resource indicator (RFC 8707), sent in authorization, token and refresh requests. */
  resource?: string;
  /**
   * Newest first: the first secret signs and seals, all of them verify and open. Each needs at
   * least 16 characters; use 32 random ones.
   */
  sessionSecrets: readonly string[];
  /** An unused session ends after this long; default: one day. */
  idleSeconds?: number;
  /** Every session ends after this long, used or not; default: seven days. */
  maxSeconds?: number;
  /**
   * Guards accept an expired access token for this long while it cannot be refreshed; default: one
   * hour. After that they respond with 503; the session does not end.
   */
  staleSeconds?: number;
  /** Where sessions are kept; src/store has two implementations. */
  records: SessionRecords;
  /**
   * Whether `auth.session` sets `req.user`; default: yes. Use false beside a passport login of your
   * own, whose `req.isAuthenticated()` would otherwise be true for users of AuthKit too.
   */
  setReqUser?: boolean;
  /** Labels the session that this request begins, for the user's list of sessions. */
  labelSession?: (req: Request) => string;
  /** For your own user table: called with each user before the session begins. */
  onSignIn?: (user: User) => Promise<void> | void;
  /** Receives each event, for your log. */
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
 * Creates the parts and starts discovering the issuer.
 * @throws RangeError for an invalid secret, duration, path, cookie suffix or base URL
 */
export function createContext(options: AuthOptions) {
  const { clientId, baseUrl, records, sessionSecrets: secrets } = options;
  const { labelSession = () => '', onSignIn = () => {} }: AuthOptions = options;
  // A failing log must not fail a sign-in, nor crash the process with an unhandled rejection.
  const notify = async (...args: Parameters<SignInEventListener>) => options.onEvent?.(...args);
  const onEvent: SignInEventListener = (...args) => void notify(...args).catch(() => undefined);
  // Cookies are set for the whole host; `paths` says where on it the routes are.
  if (baseUrl.pathname !== '/')
    throw new RangeError(`baseUrl: ${baseUrl.href} has a path; use an origin`);
  if (typeof options.clientAuthentication === 'string' && options.clientSecret === undefined)
    throw new RangeError('clientAuthentication: this method needs a clientSecret');
  const paths = checkedPaths({ ...DEFAULT_PATHS, ...options.paths });
  const lifetimes = {
    idleMs: 1000 * wholeSeconds('idleSeconds', options.idleSeconds ?? DAY_S),
    maxMs: 1000 * wholeSeconds('maxSeconds', options.maxSeconds ?? 7 * DAY_S),
  };
  const scope = options.scope ?? 'openid profile email offline_access';
  // `Secure` depends on how browsers reach the app, not on how a proxy connects to it.
  const isSecure = baseUrl.protocol === 'https:';
  // All ports of a host share cookies: without a suffix, two applications on one machine would sign
  // each other's users out.
  const cookieSuffix =
    options.cookieSuffix ?? hash('sha256', clientId + baseUrl.origin, 'base64url').slice(0, 6);
  if (!/^[\w-]+$/.test(cookieSuffix))
    throw new RangeError(`cookieSuffix: use only letters, digits, - and _, not ${cookieSuffix}`);
  const cookie = new SessionCookie(`-${cookieSuffix}`, secrets, isSecure);
  const store = new SealedSessionStore(records, cookie, secrets, lifetimes);
  return {
    clientId,
    /** As configured; what was discovered there is in `issuer`. */
    issuerUrl: options.issuer,
    issuer: new Issuer(options, onEvent),
    baseUrl,
    isSecure,
    cookieSuffix,
    paths,
    /** A sign-in never returns to one of these. */
    authPaths: [paths.login, paths.callback, paths.logout],
    redirectUri: new URL(paths.callback, baseUrl),
    scope,
    /**
     * Whether sign-ins request a refresh token; a session without one then ends with its access
     * token.
     */
    requestsOffline: scope.split(' ').includes('offline_access'),
    staleMs: 1000 * wholeSeconds('staleSeconds', options.staleSeconds ?? 3_600),
    resource: options.resource,
    loginParameters: checkedParameters(options.loginParameters ?? []),
    alwaysFetchUserInfo: options.alwaysFetchUserInfo ?? false,
    setsReqUser: options.setReqUser ?? true,
    ...lifetimes,
    records,
    cookie,
    store,
    expressSession: session({
      name: cookie.name,
      store,
      secret: [...secrets],
      cookie: { ...cookie.attributes, maxAge: lifetimes.idleMs },
      // Saving an unchanged session could overwrite newer data with old.
      resave: false,
      saveUninitialized: false,
    }),
    attemptSealer: createSealer(secrets, 'sign-in attempt'),
    labelSession,
    onSignIn,
    onEvent,
  };
}

/** Only plain paths: they are compared literally, and sent in Location headers. */
function checkedPaths(paths: Paths): Paths {
  const values = Object.values(paths);
  const wrong = values.find((path) => !/^(?:\/[\w~-][\w.~-]*)+$/.test(path));
  if (wrong !== undefined) throw new RangeError(`paths: ${wrong} is not a plain path like /login`);
  // Express matches paths case-insensitively.
  if (new Set(values.map((path) => path.toLowerCase())).size < values.length)
    throw new RangeError('paths: two of them are the same');
  return paths;
}

// Redis rejects a fractional expiry, and no cookie can expire after Infinity.
function wholeSeconds(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0 && value <= YEAR_S) return value;
  throw new RangeError(`${name}: ${value} is not a whole number of seconds from 1 to ${YEAR_S}`);
}

/** A link must not choose what binds the response to this application and browser. */
function checkedParameters(names: readonly string[]): readonly string[] {
  const own = names.find((name) => OWN_PARAMETERS.test(name));
  if (own !== undefined) throw new RangeError(`loginParameters: ${own} cannot be chosen by a link`);
  return names;
}

const OWN_PARAMETERS =
  /^(?:client_.*|code_.*|nonce|redirect_uri|request(?:_uri)?|resource|response_.*|scope|state)$/;
