import { ExpressAuth, getSession } from '@auth/express';
import express from 'express';
import { sendPage, settings } from './settings.mjs';

const { issuer, clientId, clientSecret, scope } = settings;
const config = {
  secret: settings.secret,
  trustHost: true,
  providers: [
    {
      id: 'authkit',
      name: 'AuthKit',
      type: 'oidc',
      issuer,
      clientId,
      clientSecret,
      client: { token_endpoint_auth_method: 'client_secret_post' },
      authorization: { params: { scope } },
    },
  ],
};

const app = express();
app.use('/auth', ExpressAuth(config));
app.get('/profile', async (req, res) => {
  const session = await getSession(req, config);
  return session ? sendPage(req, res) : res.redirect('/auth/signin');
});
app.listen(settings.port);
