// An app with only the passport strategy of openid-client 6, wired as its documentation shows, for
// a comparison with src/auth.
import { once } from 'node:events';
import express, { type ErrorRequestHandler } from 'express';
import session from 'express-session';
import {
  allowInsecureRequests,
  ClientSecretPost,
  discovery,
  enableNonRepudiationChecks,
} from 'openid-client';
import { Strategy, type VerifyFunction } from 'openid-client/passport';
import passport from 'passport';
import { portOf } from '../../../src/process/http-server.ts';
import { CLIENT_ID } from '../authkit/sign-in-issuer.ts';

export interface BareOptions {
  withCallbackUrl?: boolean;
  checkSignature?: boolean;
  verify?: VerifyFunction;
}

const takeSubject: VerifyFunction = (tokens, verified) =>
  verified(null, { issuer: '', sub: tokens.claims()?.sub ?? '' });

const sendError: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  res.status(500).send(String(error));
};

/** Starts it as a client of this issuer: GET /login, /callback and /way-back. */
export async function startBareStrategy(issuer: string, options: BareOptions = {}) {
  const app = express();
  const server = app.listen(0);
  await once(server, 'listening');
  const url = `http://localhost:${portOf(server)}`;
  const secret = ClientSecretPost('a-client-secret-of-the-tests');
  const checks = options.checkSignature ? [enableNonRepudiationChecks] : [];
  const config = await discovery(new URL(issuer), CLIENT_ID, {}, secret, {
    execute: [allowInsecureRequests, ...checks],
  });
  const callback = options.withCallbackUrl === false ? {} : { callbackURL: `${url}/callback` };
  const settings = { config, scope: 'openid', ...callback };

  const instance = new passport.Passport();
  instance.use('oidc', new Strategy(settings, options.verify ?? takeSubject));
  instance.serializeUser((user, done) => done(null, user));
  instance.deserializeUser((user: Express.User, done) => done(null, user));
  app.use(session({ secret: 'of the tests', resave: false, saveUninitialized: false }));
  app.use(instance.session());
  app.get('/way-back', (req, res) => {
    Object.assign(req.session, { returnTo: '/settings' });
    res.end();
  });
  app.get('/login', instance.authenticate('oidc'));
  app.get('/callback', instance.authenticate('oidc'), (req, res) => {
    res.json({ sub: req.user?.sub, session: Object.keys(req.session) });
  });
  app.use(sendError);
  return {
    url,
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}
