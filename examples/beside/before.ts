// The app as it was before AuthKit: its own accounts and passwords, express-session, passport-local,
// /login, /logout, and a page for its own users. Nothing here knows of AuthKit.

import { randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import express, { Router, type RequestHandler } from 'express';
import session from 'express-session';
import passport from 'passport';
import { Strategy as LocalStrategy } from 'passport-local';
import { html, page } from './html.ts';

export interface Account {
  id: string;
  name: string;
  email: string;
}

declare global {
  // oxlint-disable-next-line typescript/no-namespace
  namespace Express {
    // oxlint-disable-next-line typescript/no-empty-object-type
    interface User extends Account {}
  }
}

declare module 'express-session' {
  interface SessionData {
    views?: number;
  }
}

// OWASP Password Storage Cheat Sheet, scrypt.
const COST = { N: 2 ** 14, r: 8, p: 5 };
const deriveKey = promisify<string, Buffer, number, typeof COST, Buffer>(scrypt);

/** The table of users. */
export class Accounts {
  readonly #rows = new Map<string, { account: Account; salt: Buffer; key: Buffer }>();

  async add(name: string, email: string, password: string): Promise<void> {
    const salt = randomBytes(16);
    const key = await deriveKey(password, salt, 32, COST);
    const account = { id: randomUUID(), name, email };
    this.#rows.set(account.id, { account, salt, key });
  }

  find(id: string): Account | undefined {
    return this.#rows.get(id)?.account;
  }

  /** The account with this e-mail address, if the password is right. */
  async verify(email: string, password: string): Promise<Account | undefined> {
    const row = [...this.#rows.values()].find(({ account }) => account.email === email);
    // An unknown address takes as long as a wrong password, so the time does not tell them apart.
    const key = await deriveKey(password, row?.salt ?? Buffer.alloc(16), 32, COST);
    return row && timingSafeEqual(key, row.key) ? row.account : undefined;
  }
}

/** Reads the app's own session, and from it `req.user`. */
export function ownSession(accounts: Accounts): RequestHandler[] {
  const verify = (email: string, password: string) => accounts.verify(email, password);
  passport.use(
    new LocalStrategy({ usernameField: 'email' }, (email, password, done) => {
      verify(email, password).then((account) => done(null, account ?? false), done);
    }),
  );
  passport.serializeUser((user, done) => done(null, user.id));
  passport.deserializeUser((id: string, done) => done(null, accounts.find(id) ?? false));
  const sessions = session({
    // The sessions are in memory: they do not outlive this process, so its secret need not either.
    secret: randomBytes(32).toString('base64url'),
    cookie: { sameSite: 'lax', secure: 'auto' },
    resave: false,
    saveUninitialized: false,
  });
  return [sessions, passport.session()];
}

/** /login, /logout, and /account for the app's own users. */
export function ownRoutes(): Router {
  const routes = Router();
  routes.get('/login', (req, res) => {
    const failed = req.query['failed'] === undefined ? undefined : html`<p>That was wrong.</p>`;
    res.send(page('Sign in', html`${failed} ${loginForm}`));
  });
  routes.post(
    '/login',
    express.urlencoded({ extended: false }),
    passport.authenticate('local', {
      successRedirect: '/account',
      failureRedirect: '/login?failed',
    }),
  );
  routes.post('/logout', (req, res, next) => {
    req.logout((error: unknown) => (error ? next(error) : res.redirect(303, '/')));
  });
  routes.get('/account', (req, res) => {
    if (!req.isAuthenticated()) return res.redirect('/login');
    const { name, email } = req.user;
    const views = (req.session.views ?? 0) + 1;
    req.session.views = views;
    return res.send(page('Your account', html`<p>${name}, ${email}. Views: ${views}</p>`));
  });
  return routes;
}

const loginForm = html`<form method="post" action="/login">
  <label>E-mail <input name="email" type="email" autocomplete="username" required /></label>
  <label>
    Password
    <input name="password" type="password" autocomplete="current-password" required />
  </label>
  <button>Sign in</button>
</form>`;
