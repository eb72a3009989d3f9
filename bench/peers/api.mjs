// One API with several kinds of guard: none, this project's (with a new token and a remembered one; also of
// another version), express-oauth2-jwt-bearer, and plain jose; on the server of this project.
import { hash } from 'node:crypto';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { settings } from './settings.mjs';

const { issuer, audience, bearer, before, lru, server } = {
  ...settings,
  ...JSON.parse(process.env.API),
};
const { requireAccessToken } = await import(bearer);
const { LRUCache } = await import(lru);
const { createHttpServer } = await import(server);
const noMemory = { get: () => undefined, set: () => undefined, clear: () => undefined };
const guard = (verifiedTokens) => requireAccessToken({ issuer, audience, verifiedTokens });
const keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
const plainJose = async (req, _res, next) => {
  const token = req.headers.authorization?.slice('Bearer '.length) ?? '';
  req.accessToken = (await jwtVerify(token, keys, { issuer, audience })).payload;
  next();
};
// A remembered token is found by its digest: the least that a check takes.
const salt = 'x'.repeat(43);
const digest = (req, _res, next) => {
  req.digest = hash('sha256', salt + req.headers.authorization, 'base64');
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
app.get('/digest', digest, respond);
app.get('/digest-and-jose', digest, plainJose, respond);
createHttpServer(app).on('request', app).listen(settings.port);
