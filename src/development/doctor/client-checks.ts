// Checks what the issuer knows of the application, with probes that need no user.
import type { ServerMetadata } from 'openid-client';
import type { Config } from '../../config/config.ts';
import { checkCredentials } from './credential-checks.ts';
import type { Http } from './http.ts';
import type { Metadata } from './issuer-checks.ts';
import { checkRegistration, isUnknownClient } from './registration-checks.ts';
import type { Finding } from './report.ts';
import { checkScopes } from './scope-checks.ts';

/**
 * Takes the settings and the metadata of a usable issuer; returns whether its authorization and
 * token endpoints accept the client id, redirect URI, secret and scopes (RFC 6749 §4.1.2.1, §5.2).
 */
export async function checkClient(
  config: Config,
  authKit: NonNullable<Config['authKit']>,
  metadata: Metadata,
  http: Http,
): Promise<Finding[]> {
  const endpoint = (name: string) => new URL(String(metadata[name]));
  const credentials = await checkCredentials(config, authKit, metadata as ServerMetadata, http);
  const findings = await checkRegistration(
    config,
    authKit.clientId,
    endpoint('authorization_endpoint'),
    credentials.isAuthenticated,
    http,
  );
  const areScopesReported = findings.some(({ check }) => check === 'scopes');
  return [
    ...findings,
    // For an unknown client, a second problem about its secret would mislead.
    ...(findings.some(isUnknownClient) ? [] : [credentials.finding]),
    ...(areScopesReported ? [] : [checkScopes(config, metadata)]),
  ];
}
