import express from 'express';
import eoc from 'express-openid-connect';
import { sendPage, settings } from './settings.mjs';

const app = express();
app.use(
  eoc.auth({
    issuerBaseURL: settings.issuer,
    baseURL: settings.baseUrl,
    clientID: settings.clientId,
    clientSecret: settings.clientSecret,
    secret: settings.secret,
    authRequired: false,
    authorizationParams: { response_type: 'code', scope: settings.scope },
  }),
);
app.get('/profile', eoc.requiresAuth(), sendPage);
app.listen(settings.port);
