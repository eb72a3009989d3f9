// The reference for a sign-in: a client that redirects, fetches the tokens and redirects again. It
// checks nothing and stores nothing.
import { createHash, randomBytes } from 'node:crypto';
import express from 'express';
import { settings } from './settings.mjs';

const { issuer, clientId, clientSecret, baseUrl, scope } = settings;
const redirect_uri = `${baseUrl}/callback`;
const code_verifier = randomBytes(32).toString('base64url');
const known = { client_id: clientId, redirect_uri };
const authorize = new URLSearchParams({
  ...known,
  scope,
  response_type: 'code',
  state: 'bare',
  nonce: 'bare',
  code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
  code_challenge_method: 'S256',
});

const app = express();
app.get('/login', (_req, res) => res.redirect(`${issuer}/oauth2/authorize?${authorize}`));
app.get('/callback', async (req, res) => {
  const grant = { ...known, grant_type: 'authorization_code', code: req.query.code };
  const body = new URLSearchParams({ ...grant, client_secret: clientSecret, code_verifier });
  const response = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body });
  const { id_token } = await response.json();
  return id_token ? res.redirect(303, '/profile') : res.sendStatus(502);
});
app.listen(settings.port);
