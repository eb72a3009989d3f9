// Checks OAUTH_SCOPE against the scopes that the issuer advertises and those that the app needs.
import type { Config } from '../../config/config.ts';
import type { Metadata } from './issuer-checks.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const BUILT_IN = ['openid', 'profile', 'email', 'offline_access'];

/**
 * Takes the settings and the issuer's metadata; returns the finding about the scopes (RFC 8414 §2
 * `scopes_supported`; OpenID Connect Core §11 for `offline_access`).
 */
export function checkScopes({ scope }: Config, metadata: Metadata): Finding {
  const requested = scope.split(' ');
  const supported = metadata['scopes_supported'];
  const permissions = requested.filter((name) => !BUILT_IN.includes(name));
  const unknown = Array.isArray(supported)
    ? requested.filter((name) => BUILT_IN.includes(name) && !supported.includes(name))
    : [];
  if (unknown.length > 0) {
    // A session that requested a refresh token but got none ends with its access token.
    const effect = unknown.includes('offline_access')
      ? '; without a refresh token, users must sign in again every five minutes'
      : '';
    const found = `not supported: ${unknown.join(' ')}${effect}`;
    return problem('scopes', found, 'OAUTH_SCOPE: remove them');
  }
  if (!requested.includes('offline_access')) {
    const found = 'without offline_access, access tokens cannot be refreshed';
    return warning('scopes', found, `OAUTH_SCOPE=${scope} offline_access`);
  }
  if (permissions.length === 0) return ok('scopes', scope);
  const found = `${permissions.join(' ')}: dropped unless both the application and the user’s role have it`;
  return warning(
    'scopes',
    found,
    'WorkOS dashboard: assign it to both, or remove it from OAUTH_SCOPE',
  );
}
