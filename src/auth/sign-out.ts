// POST /logout: ends the session here first, then at AuthKit as far as AuthKit supports it.
import { Router, type Request, type RequestHandler, type Response } from 'express';
import { buildEndSessionUrl, randomState, tokenRevocation } from 'openid-client';
import type { Context } from './context.ts';
import { storeFailure } from './errors.ts';
import { toSignInError } from './openid-errors.ts';
import { rejectForeignOrigin, rejectOtherPerson } from './forms.ts';
import { cookiesWithPrefix } from './session/cookie.ts';
import { keysOfPerson } from './session/list.ts';
import { endSession, sessionOf } from './session/session.ts';
import { resetLoopCheck } from './sign-in/attempts.ts';
import type { User } from './sign-in/user.ts';
import type { TokenSet } from './tokens/token-set.ts';

// A user who is already signed out need not sign in to sign out.
const rejectOtherUser: RequestHandler = (req, res, next) =>
  req.authSession?.current ? rejectOtherPerson(req, res, next) : next();

const MAX_REDIRECT_LENGTH = 4_096;
const STATE_COOKIE_MS = 600_000;

const stateCookieOf = ({ isSecure, cookieSuffix }: Context) =>
  `${isSecure ? '__Host-' : ''}sign-out-${cookieSuffix}`;

/**
 * For POST /logout; GET never signs out, since a prefetched link or an image could trigger it.
 * Ends this browser's session and, with `everywhere`, first all other sessions of the user, at once
 * on every instance. Refuses a form of another origin or of another user. Responds with a 303
 * redirect to AuthKit's end session endpoint if it advertises one, else to `paths.signedOut`.
 * @throws SignInError `cross_site_request`, `other_person`; `store_unavailable`: no page says
 * "signed out" while the session still exists
 */
export function signOut(context: Context, everywhere = false): RequestHandler {
  const { store, records, paths, baseUrl } = context;
  const end: RequestHandler = async (req, res) => {
    res.set('Cache-Control', 'no-store');
    const { unavailable, stored, current } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    const record = current && stored && (await store.readTokens(stored));
    if (everywhere && current) {
      // The current session ends last: if the store fails half-way, the user can try again.
      const keys = await keysOfPerson(context, current.user);
      const others = keys.filter((key) => key !== stored?.key);
      await Promise.all(others.map((key) => records.remove(key))).catch(storeFailure);
    }
    if (stored) await endSession(context, req, res);
    resetLoopCheck(context, req, res);
    const endSessionUrl = current && endAtAuthKit(context, current.user, record?.tokens);
    const state = endSessionUrl?.searchParams.get('state');
    const attributes = { ...context.cookie.attributes, maxAge: STATE_COOKIE_MS };
    if (state) res.cookie(stateCookieOf(context), state, attributes);
    // 303: the browser follows a POST with a GET (RFC 9110 §15.4.4).
    res.redirect(303, endSessionUrl?.href ?? paths.signedOut);
  };
  return Router().use(rejectForeignOrigin(baseUrl), rejectOtherUser, end);
}

/**
 * Whether this request to `paths.signedOut` comes from AuthKit's end session endpoint, after a
 * sign-out of this browser: true once. Its state is in a cookie, so no link can claim it.
 */
export function endedAtIssuer(context: Context, req: Request, res: Response): boolean {
  const name = stateCookieOf(context);
  const cookies = cookiesWithPrefix(name, req.headers.cookie);
  const hasEnded = cookies.some(([own, state]) => own === name && state === req.query['state']);
  if (hasEnded) res.clearCookie(name, context.cookie.attributes);
  return hasEnded;
}

/**
 * Revokes the refresh token in the background, and returns the end session URL if AuthKit
 * advertises one. Waits for nothing, since AuthKit may not respond.
 */
function endAtAuthKit(context: Context, { sub }: User, tokens?: TokenSet): URL | undefined {
  const { issuer, onEvent, paths, baseUrl } = context;
  const config = issuer.discovered?.config;
  onEvent({ event: 'signed_out', sub, revocation: revocationOf(context, tokens) });
  void revokeRefreshToken(context, tokens);
  if (!config || !issuer.advertises('end_session_endpoint')) return undefined;
  // OpenID Connect RP-Initiated Logout 1.0 §2. The hint is the only token ever put into a URL.
  const signedOutUri = new URL(paths.signedOut, baseUrl).href;
  const parameters = { post_logout_redirect_uri: signedOutUri, state: randomState() };
  const withoutHint = buildEndSessionUrl(config, parameters);
  if (tokens?.idToken === undefined) return withoutHint;
  const withHint = buildEndSessionUrl(config, { ...parameters, id_token_hint: tokens.idToken });
  // Proxies refuse response headers beyond their buffer of 4 kB or 8 kB. Without the hint, AuthKit
  // still gets the client_id.
  return withHint.href.length > MAX_REDIRECT_LENGTH ? withoutHint : withHint;
}

function revocationOf({ issuer }: Context, tokens: TokenSet | undefined) {
  if (tokens?.refreshToken === undefined) return 'no_token';
  return issuer.advertises('revocation_endpoint') ? 'requested' : 'not_advertised';
}

/**
 * Revokes a refresh token, and with it its whole rotation chain (RFC 7009), if AuthKit advertises
 * revocation. Never rejects.
 */
export async function revokeRefreshToken(context: Context, tokens?: TokenSet): Promise<void> {
  const config = context.issuer.discovered?.config;
  if (!config || revocationOf(context, tokens) !== 'requested') return;
  try {
    const hint = { token_type_hint: 'refresh_token' };
    await tokenRevocation(config, tokens?.refreshToken ?? '', hint);
  } catch (cause) {
    const error = toSignInError(cause);
    context.onEvent({ event: 'revocation_failed', code: error.code }, error);
  }
}
