// What was added for AuthKit: the AuthKit users with the accounts they are connected to, and pages.

import express, { Router } from 'express';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import {
  currentUser,
  personIn,
  rejectOtherPerson,
  SignInError,
  type Auth,
  type User,
} from '../../src/auth/index.ts';
import type { Account, Accounts } from './before.ts';
import { html, page, type Html } from './html.ts';

// IMPORTANT: by issuer and sub, never by e-mail. An address can be unverified or change hands, and
// whoever has it at AuthKit would take over the account here (OpenID Connect Core §5.7).
const keyOf = ({ issuer, sub }: User) => JSON.stringify([issuer, sub]);

/** The table of AuthKit users, each with the account it is connected to. */
export class AuthKitUsers {
  readonly #rows = new Map<string, { email?: string | undefined; accountId?: string }>();
  readonly #accounts: Accounts;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** For `onSignIn`: keeps the connection, and finds none by itself. */
  upsert(user: User): void {
    this.#rows.set(keyOf(user), { ...this.#rows.get(keyOf(user)), email: user.email });
  }

  accountOf(user: User): Account | undefined {
    return this.#accounts.find(this.#rows.get(keyOf(user))?.accountId ?? '');
  }

  connect(user: User, { id }: Account): void {
    this.#rows.set(keyOf(user), { email: user.email, accountId: id });
  }

  disconnect(user: User): void {
    this.#rows.set(keyOf(user), { email: user.email });
  }
}

/** Lets either kind of user through; sends others to AuthKit, as `auth.requireLogin` does. */
const requireEitherLogin =
  (auth: Auth): RequestHandler =>
  (req, res, next) =>
    req.isAuthenticated() ? next() : auth.requireLogin(req, res, next);

/** The pages that were added. */
export function addedPages(auth: Auth, accounts: Accounts, authKitUsers: AuthKitUsers): Router {
  const routes = Router();
  routes.get('/', (req, res) => void res.send(page('Home', home(auth, req))));
  routes.get(auth.paths.signedOut, (_req, res) => res.redirect('/'));

  routes.get('/either', requireEitherLogin(auth), (req, res) => {
    // With both, the app's own login decides.
    const account = req.user ?? authKitUsers.accountOf(currentUser(req));
    const who = account
      ? html`the account ${account.email}`
      : html`${currentUser(req).name}, without an account`;
    res.send(page('For both', html`<p>You are here as ${who}.</p>`));
  });

  routes.get('/profile', auth.requireLogin, (req, res) => {
    const user = currentUser(req);
    const who = html`<p>${user.name}, ${user.email}</p>`;
    const connection = connectionForm(req, authKitUsers.accountOf(user));
    res.send(page('AuthKit user', html`${who} ${connection}`));
  });
  const checked = [auth.requireLogin, rejectOtherPerson, express.urlencoded({ extended: false })];
  routes.post('/connect', checked, async (req: Request, res: Response) => {
    const user = currentUser(req);
    const { password }: { password?: unknown } = req.body ?? {};
    // The password, and not just the session: a browser left open would connect whoever finds it.
    const account = req.user && (await accounts.verify(req.user.email, String(password)));
    if (!account) return refuse(res, 403, 'Sign in to your account, then enter its password.');
    if (authKitUsers.accountOf(user)) return refuse(res, 409, 'You are connected already.');
    authKitUsers.connect(user, account);
    return res.redirect(303, '/profile');
  });
  routes.post('/disconnect', checked, (req: Request, res: Response) => {
    authKitUsers.disconnect(currentUser(req));
    res.redirect(303, '/profile');
  });
  // What can refuse comes first: the user would be left signed out of one of the two.
  routes.post('/logout-both', rejectOtherAuthKitUser, ownLogout, auth.signOut);
  return routes;
}

function refuse(res: Response, status: number, message: string): void {
  res.status(status).send(page('Refused', html`<p>${message}</p>`));
}

// A user whose AuthKit session has ended can still sign out of both.
const rejectOtherAuthKitUser: RequestHandler = (req, res, next) => {
  const { current, unavailable } = req.authSession ?? {};
  return current || unavailable ? rejectOtherPerson(req, res, next) : next();
};

const ownLogout: RequestHandler = (req, _res, next) => req.logout(next);

/** A form that is refused once another AuthKit user has signed in. */
const form = (req: Request, action: string, button: string, fields?: Html) =>
  html`<form method="post" action="${action}?person=${personIn(req)}">
    ${fields} <button>${button}</button>
  </form>`;

function home({ paths }: Auth, req: Request): Html {
  const user = req.authSession?.current?.user;
  const own = req.user
    ? html`<p>Signed in here as ${req.user.name}</p>
        ${form(req, '/logout', 'Sign out here')}`
    : html`<p><a href="/login">Sign in here</a></p>`;
  const atAuthKit = user
    ? html`<p>Signed in with AuthKit as ${user.name}</p>
        ${form(req, paths.logout, 'Sign out of AuthKit')}`
    : html`<p><a href="${paths.login}">Sign in with AuthKit</a></p>`;
  return html`${own} ${atAuthKit}
    ${req.user && user && form(req, '/logout-both', 'Sign out of both')}
    <p>
      <a href="/account">For users of this app</a> <a href="/profile">For AuthKit users</a>
      <a href="/either">For both</a>
    </p>`;
}

function connectionForm(req: Request, account: Account | undefined): Html {
  if (account)
    return html`<p>Connected to the account ${account.email}.</p>
      ${form(req, '/disconnect', 'Disconnect')}`;
  if (!req.user) return html`<p><a href="/login">Sign in to your account</a> to connect it.</p>`;
  const password = html`<label>
    Password of ${req.user.email}
    <input name="password" type="password" autocomplete="current-password" required />
  </label>`;
  return form(req, '/connect', 'Connect', password);
}

/** The error page: for a SignInError what happened, for others nothing that could be a secret. */
export const showError =
  ({ paths }: Auth): ErrorRequestHandler =>
  (error: unknown, _req, res, next) => {
    if (res.headersSent) return next(error);
    if (!(error instanceof SignInError)) {
      const { status = 500, stack }: { status?: number; stack?: string } = Object(error);
      if (status >= 500) process.stderr.write(`${stack ?? String(error)}\n`);
      return refuse(res, status, 'This did not work.');
    }
    const { status, message, retryAfter, returnTo = '/profile' } = error;
    const again = `${paths.login}?return_to=${encodeURIComponent(returnTo)}`;
    if (retryAfter !== undefined) res.set('Retry-After', String(retryAfter));
    const link = html`<p>${message}</p>
      <p><a href="${again}">Sign in with AuthKit again</a></p>`;
    return void res.status(status).send(page('Sign-in failed', link));
  };
