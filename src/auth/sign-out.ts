// POST /logout. Signing out: the session ends here first; then, as far as AuthKit offers it, there too.
import { Router, type RequestHandler } from 'express';
import { buildEndSessionUrl, tokenRevocation } from 'openid-client';
import type { Context } from './context.ts';
import { storeFailure } from './errors.ts';
import { toSignInError } from './openid-errors.ts';
import { rejectForeignOrigin, rejectOtherPerson } from './forms.ts';
import { keysOfPerson } from './session/list.ts';
import { endSession, sessionOf } from './session/session.ts';
import { noteArrival } from './sign-in/attempts.ts';
import type { User } from './sign-in/user.ts';
import type { TokenSet } from './tokens/token-set.ts';

// Who is signed out already need not sign in for it.
const rejectOther: RequestHandler = (req, res, next) =>
  req.authSession?.current ? rejectOtherPerson(req, res, next) : next();

const LONGEST_REDIRECT = 4_096;

/** POST /logout. GET never signs out: a prefetched link or an image would do it. */
export const signOutRoutes = (context: Context): Router =>
  Router().post(context.paths.logout, signOut(context));

/**
 * Ends this browser's session, and `everywhere` every other one of the person first, at once on every
 * instance; for requests from pages of this origin only. Answers 303, to AuthKit's end-session endpoint
 * where it advertises one, else to the page for people who have signed out.
 * @throws SignInError `store_unavailable`: nobody is told to be signed out who is not
 */
export function signOut(context: Context, everywhere = false): RequestHandler {
  const { store, records, paths, baseUrl } = context;
  const end: RequestHandler = async (req, res) => {
    res.set('Cache-Control', 'no-store');
    const { unavailable, stored, current } = sessionOf(context, req);
    if (unavailable) throw unavailable;
    const held = current && stored && (await store.readTokens(stored));
    if (everywhere && current) {
      // This one last: while it is there, whoever meets a store that fails half-way can try again.
      const keys = await keysOfPerson(context, current.user);
      const others = keys.filter((key) => key !== stored?.key);
      await Promise.all(others.map((key) => records.remove(key))).catch(storeFailure);
    }
    if (stored) await endSession(context, req, res);
    noteArrival(context, req, res);
    const endSessionUrl = current && endAtAuthKit(context, current.user, held?.tokens);
    // 303: what follows a POST is a GET (RFC 9700 §4.12).
    res.redirect(303, endSessionUrl?.href ?? paths.signedOut);
  };
  return Router().use(rejectForeignOrigin(baseUrl), rejectOther, end);
}

/**
 * Revokes the refresh token in the background, and returns the end-session URL where there is one. Waits
 * for nothing: AuthKit may be away or hang.
 */
function endAtAuthKit(context: Context, { sub }: User, tokens?: TokenSet): URL | undefined {
  const { issuer, onEvent, paths, baseUrl } = context;
  const config = issuer.discovered?.config;
  onEvent({ event: 'signed_out', sub, revocation: revocationOf(context, tokens) });
  void revokeRefreshToken(context, tokens);
  if (!config || !issuer.advertises('end_session_endpoint')) return undefined;
  // OpenID Connect RP-Initiated Logout 1.0 §2. The hint is the only token that ever leaves in a URL.
  const parameters = { post_logout_redirect_uri: new URL(paths.signedOut, baseUrl).href };
  const plain = buildEndSessionUrl(config, parameters);
  if (tokens?.idToken === undefined) return plain;
  const hinted = buildEndSessionUrl(config, { ...parameters, id_token_hint: tokens.idToken });
  // Proxies refuse a response whose headers outgrow their buffer, of 4 kB or 8 kB. client_id is there.
  return hinted.href.length > LONGEST_REDIRECT ? plain : hinted;
}

function revocationOf({ issuer }: Context, tokens: TokenSet | undefined) {
  if (tokens?.refreshToken === undefined) return 'no_token';
  return issuer.advertises('revocation_endpoint') ? 'requested' : 'not_advertised';
}

/**
 * Revokes a refresh token where AuthKit advertises that, and with it its whole rotation chain
 * (RFC 7009). In the way of nothing: never rejects.
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
