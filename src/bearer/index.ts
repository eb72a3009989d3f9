// COPY THIS FOLDER to make an Express API accept AuthKit's access tokens. It needs only jose.
// License: MIT, or 0BSD for what you copy, as you like.
//
// Read: require-token.ts (the guard) -> read-token.ts -> verify-token.ts -> issuer.ts -> keys.ts ->
// discovery.ts -> errors.ts (responses); as needed: guards.ts, introspection.ts, metadata.ts.
//
// Wire it in this order:
//   1. const issuer = new Issuer('https://<subdomain>.authkit.app')
//   2. app.use(protectedResourceMetadata({ resource, issuer }))            optional, RFC 9728
//   3. app.get('/path', requireAccessToken({ issuer, audience, idTokenAudience }), handler)
//   4. app.use(bearerErrorHandler({ resourceMetadata: metadataUrlOf(origin) }))   after the routes

export { UpstreamError } from './discovery.ts';
export { BearerError, bearerErrorHandler } from './errors.ts';
export type { BearerErrorCode, BearerErrorOptions, BearerEvent } from './errors.ts';
export type { AccessToken } from './request.ts';
export { requireOrganization, requireScope } from './guards.ts';
export { createIntrospection, requireActiveToken } from './introspection.ts';
export type { Introspect, IntrospectionOptions } from './introspection.ts';
export { Issuer, type IssuerOptions } from './issuer.ts';
export { metadataUrlOf, protectedResourceMetadata } from './metadata.ts';
export { protectedResourceMetadataUrl } from './metadata.ts';
export type { ProtectedResource } from './metadata.ts';
export { verifyJwt } from './verify-token.ts';
export { currentAccessToken, requireAccessToken } from './require-token.ts';
export type { AccessTokenOptions, TokenMemory } from './require-token.ts';
