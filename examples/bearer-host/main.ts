import express from 'express';
import {
  bearerErrorHandler,
  currentAccessToken,
  Issuer,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  requireAccessToken,
  requireScope,
} from '../../src/bearer/index.ts';

const { AUTHKIT_ISSUER = '', API_AUDIENCE = '', BASE_URL = '', PORT } = process.env;
const issuer = new Issuer(AUTHKIT_ISSUER);
const guard = requireAccessToken({ issuer, audience: API_AUDIENCE.split(',') });

const app = express();
app.use(protectedResourceMetadata({ resource: BASE_URL, issuer }));
app.get('/orders', guard, requireScope('profile'), (req, res) => {
  res.json({ ordersOf: currentAccessToken(req).sub });
});
app.use(bearerErrorHandler({ resourceMetadata: protectedResourceMetadataUrl(BASE_URL).href }));
app.listen(Number(PORT));
