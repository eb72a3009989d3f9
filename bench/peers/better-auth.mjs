import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node';
import { genericOAuth } from 'better-auth/plugins';
import express from 'express';
import { sendPage, settings } from './settings.mjs';

const { issuer, clientId, clientSecret, scope } = settings;
const auth = betterAuth({
  baseURL: settings.baseUrl,
  secret: settings.secret,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  rateLimit: { enabled: false },
  plugins: [
    genericOAuth({
      config: [
        {
          providerId: 'authkit',
          discoveryUrl: `${issuer}/.well-known/openid-configuration`,
          clientId,
          clientSecret,
          scopes: scope.split(' '),
          pkce: true,
        },
      ],
    }),
  ],
});

const app = express();
app.all('/api/auth/{*any}', toNodeHandler(auth));
app.get('/profile', async (req, res) => {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(req.headers) });
  if (!session) return res.status(401).json({ error: 'login_required' });
  return sendPage(req, res);
});
app.listen(settings.port);
