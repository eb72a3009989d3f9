// The two discovery documents, with exactly the members of a live AuthKit. A client must not rely
// on members that AuthKit omits, such as `code_challenge_methods_supported` in the first document.

import type { Environment } from './environment.ts';

const SCOPES = ['email', 'offline_access', 'openid', 'profile'];
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

function endpoints({ issuer }: Environment) {
  return {
    authorization_endpoint: `${issuer}/oauth2/authorize`,
    device_authorization_endpoint: `${issuer}/oauth2/device_authorization`,
    introspection_endpoint: `${issuer}/oauth2/introspection`,
    issuer,
    jwks_uri: `${issuer}/oauth2/jwks`,
    scopes_supported: SCOPES,
    response_types_supported: ['code'],
    token_endpoint: `${issuer}/oauth2/token`,
  };
}

/** AuthKit added revocation late; switched off, this imitates an AuthKit without it. */
function revocation({ issuer, revocation: isOn }: Environment) {
  if (!isOn) return {};
  return {
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    revocation_endpoint_auth_methods_supported: [
      'none',
      'client_secret_basic',
      'client_secret_post',
    ],
  };
}

/** `/.well-known/openid-configuration` (OIDC Discovery §4.2). */
export function openidConfiguration(environment: Environment) {
  const { issuer, endSession, backchannelLogoutUri } = environment;
  return {
    ...endpoints(environment),
    grant_types_supported: [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      DEVICE_CODE,
    ],
    id_token_signing_alg_values_supported: ['RS256'],
    subject_types_supported: ['public'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${issuer}/oauth2/userinfo`,
    ...revocation(environment),
    ...(backchannelLogoutUri !== undefined && {
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    }),
    ...(endSession ? { end_session_endpoint: `${issuer}/oauth2/logout` } : {}),
  };
}

/** `/.well-known/oauth-authorization-server` (RFC 8414 §3.2). */
export function authorizationServer(environment: Environment) {
  return {
    ...endpoints(environment),
    code_challenge_methods_supported: ['S256'],
    grant_types_supported: ['authorization_code', 'refresh_token', DEVICE_CODE],
    response_modes_supported: ['query'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
    ...revocation(environment),
  };
}
