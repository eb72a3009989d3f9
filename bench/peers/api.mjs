// An API with one kind of guard, on the server of this project: none, this project's (with a new token or a
// remembered one; also of another version), express-oauth2-jwt-bearer, or plain jose.
import { hash } from 'node:crypto';
import express from 'express';
import { settings } from './settings.mjs';

const { issuer } = settings;
const { guard, audience, bearer, lru, server } = JSON.parse(process.env.API);
const { createHttpServer } = await import(server);

async function plainJose() {
  const { createRemoteJWKSet, jwtVerify } = await import('jose');
  const keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
  return async (req, _res, next) => {
    const token = req.headers.authorization?.slice('Bearer '.length) ?? '';
    req.accessToken = (await jwtVerify(token, keys, { issuer, audience })).payload;
    next();
  };
}

// A remembered token is found by its digest: the least that a check takes.
const salt = 'x'.repeat(43);
const digest = (req, _res, next) => {
  req.digest = hash('sha256', salt + req.headers.authorization, 'base64');
  next();
};

async function own(verifiedTokens) {
  const { requireAccessToken } = await import(bearer);
  return requireAccessToken({ issuer, audience, verifiedTokens });
}

const guards = {
  none: () => [],
  jose: async () => [await plainJose()],
  digest: () => [digest],
  'digest and jose': async () => [digest, await plainJose()],
  new: async () => [
    await own({ get: () => undefined, set: () => undefined, clear: () => undefined }),
  ],
  seen: async () => {
    const { LRUCache } = await import(lru);
    return [await own(new LRUCache({ max: 10_000 }))];
  },
  async 'express-oauth2-jwt-bearer'() {
    const { auth } = await import('express-oauth2-jwt-bearer');
    const jwksUri = `${issuer}/oauth2/jwks`;
    return [auth({ issuer, audience, jwksUri, tokenSigningAlg: 'RS256' })];
  },
};

const app = express().disable('x-powered-by').disable('etag');
app.get('/api', ...(await guards[guard]()), (_req, res) =>
  res.json({ sub: 'user', scopes: ['openid'], machine: false }),
);
createHttpServer(app).on('request', app).listen(settings.port);
