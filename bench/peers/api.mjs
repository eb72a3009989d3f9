// One API with four kinds of guard: none, this project's (with a new token and a remembered one; also of
// another version), express-oauth2-jwt-bearer, and plain jose.
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { settings } from './settings.mjs';

const { issuer, audience, bearer, before, lru } = { ...settings, ...JSON.parse(process.env.API) };
const { requireAccessToken } = await import(bearer);
const { LRUCache } = await import(lru);
const noMemory = { get: () => undefined, set: () => undefined, clear: () => undefined };
const guard = (verifiedTokens) => requireAccessToken({ issuer, audience, verifiedTokens });
const keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
const plainJose = async (req, _res, next) => {
  const token = req.headers.authorization?.slice('Bearer '.length) ?? '';
  req.accessToken = (await jwtVerify(token, keys, { issuer, audience })).payload;
  next();
};
const respond = (_req, res) => res.json({ sub: 'user', scopes: ['openid'], machine: false });

const app = express().disable('x-powered-by').disable('etag');
app.get('/unchecked', respond);
app.get('/new', guard(noMemory), respond);
app.get('/seen', guard(new LRUCache({ max: 10_000 })), respond);
if (before) {
  const { requireAccessToken: guardBefore } = await import(before);
  app.get('/new-before', guardBefore({ issuer, audience, verifiedTokens: noMemory }), respond);
  app.get(
    '/seen-before',
    guardBefore({ issuer, audience, verifiedTokens: new LRUCache({ max: 10_000 }) }),
    respond,
  );
}
app.get(
  '/express-oauth2-jwt-bearer',
  auth({ issuer, audience, jwksUri: `${issuer}/oauth2/jwks`, tokenSigningAlg: 'RS256' }),
  respond,
);
app.get('/jose', plainJose, respond);
app.listen(settings.port);
