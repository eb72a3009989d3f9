/* oxlint-disable typescript/await-thenable -- the packages are not installed where this is checked */
// iron-session keeps the session in a sealed cookie; openid-client runs the protocol.
import express from 'express';
import { getIronSession } from 'iron-session';
import * as client from 'openid-client';
import { sendPage, settings } from './settings.mjs';

const { issuer, clientId, clientSecret, baseUrl, scope } = settings;
const config = await client.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [client.allowInsecureRequests],
});
const options = {
  password: settings.secret,
  cookieName: 'iron',
  cookieOptions: { secure: false },
};

const app = express();
app.use(async (req, res, next) => {
  req.session = await getIronSession(req, res, options);
  next();
});
app.get('/login', async (req, res) => {
  const codeVerifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  Object.assign(req.session, { codeVerifier, state });
  await req.session.save();
  const parameters = {
    redirect_uri: `${baseUrl}/callback`,
    scope,
    state,
    code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
  };
  res.redirect(client.buildAuthorizationUrl(config, parameters).href);
});
app.get('/callback', async (req, res) => {
  const { codeVerifier, state } = req.session;
  const tokens = await client.authorizationCodeGrant(config, new URL(req.url, baseUrl), {
    pkceCodeVerifier: codeVerifier,
    expectedState: state,
  });
  Object.assign(req.session, { codeVerifier: undefined, state: undefined });
  // Tokens would exceed the cookie limit of 4 kB.
  req.session.user = tokens.claims();
  await req.session.save();
  res.redirect('/profile');
});
app.get('/profile', (req, res) => (req.session.user ? sendPage(req, res) : res.redirect('/login')));
app.listen(settings.port);
