// AuthKit's access tokens at the API of this app. This file is yours: an update of the copy leaves it
// as it is.
import * as bearer from '../../bearer/index.ts';
import { env } from './env.ts';

// Why a token is refused, never a token.
const log = (event: bearer.BearerEvent) => console.log(event);
const issuer = new bearer.Issuer(env('AUTHKIT_ISSUER'), { log });

/** Mount it before your routes: the metadata that a challenge leads to (RFC 9728). */
export const metadata = bearer.protectedResourceMetadata({ resource: env('BASE_URL'), issuer });

/** What the token of the request says, behind requireAccessToken. */
export const { currentAccessToken } = bearer;

/** For the routes of your API. */
export const requireAccessToken = bearer.requireAccessToken({
  issuer,
  audience: env('API_AUDIENCE').split(/,\s*/),
  // ID tokens are refused, even where API_AUDIENCE lists the client id.
  idTokenAudience: env('OAUTH_APP_CLIENT_ID'),
});

/** Mount it after your routes. */
export const showTokenError = bearer.bearerErrorHandler({
  resourceMetadata: bearer.metadataUrlOf(env('BASE_URL')),
  log,
});
