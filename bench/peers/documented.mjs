// The setup that openid-client documents for passport: express-session (MemoryStore, or Redis if
// REDIS_URL is set), passport, openid-client.
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import * as client from 'openid-client';
import { Strategy } from 'openid-client/passport';
import passport from 'passport';
import { createClient } from 'redis';
import { sendPage, settings } from './settings.mjs';

const { issuer, clientId, clientSecret, secret, redisUrl, scope } = settings;
const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [client.allowInsecureRequests],
});
const redis = redisUrl && (await createClient({ url: redisUrl }).connect());
const store = redis && new RedisStore({ client: redis });
passport.use(
  'authkit',
  new Strategy({ config, scope, callbackURL: `${settings.baseUrl}/callback` }, (tokens, verified) =>
    verified(null, { ...tokens.claims(), tokens: { ...tokens } }),
  ),
);
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = express();
app.use(session({ store, secret, resave: false, saveUninitialized: false }));
app.use(passport.authenticate('session'));
app.get('/login', passport.authenticate('authkit'));
app.get('/callback', passport.authenticate('authkit', { successRedirect: '/profile' }));
app.get('/profile', (req, res) => (req.user ? sendPage(req, res) : res.redirect('/login')));
app.listen(settings.port);
