// One API, four ways: unchecked, with our guard (a token it has not seen, one it has), with
// express-oauth2-jwt-bearer and with plain jose.
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { settings } from './settings.mjs';

const { issuer, audience, bearer, lru } = { ...settings, ...JSON.parse(process.env.API) };
const { requireAccessToken } = await import(bearer);
const { LRUCache } = await import(lru);
const forgetful = { get: () => undefined, set: () => undefined, clear: () => undefined };
const guard = (verifiedTokens) => requireAccessToken({ issuer, audience, verifiedTokens });
const keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
const plainJose = async (req, _res, next) => {
  const token = req.headers.authorization?.slice('Bearer '.length) ?? '';
  req.accessToken = (await jwtVerify(token, keys, { issuer, audience })).payload;
  next();
};
const answer = (_req, res) => res.json({ sub: 'user', scopes: ['openid'], machine: false });

const app = express().disable('x-powered-by').disable('etag');
app.get('/unchecked', answer);
app.get('/new', guard(forgetful), answer);
app.get('/seen', guard(new LRUCache({ max: 10_000 })), answer);
app.get(
  '/express-oauth2-jwt-bearer',
  auth({ issuer, audience, jwksUri: `${issuer}/oauth2/jwks`, tokenSigningAlg: 'RS256' }),
  answer,
);
app.get('/jose', plainJose, answer);
app.listen(settings.port);
