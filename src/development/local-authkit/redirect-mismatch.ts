// Data for the error page about an unregistered redirect URI. A real authorization server does not
// disclose its registered URIs; this one is a development tool on loopback, and its user is looking
// for the one character that differs (RFC 6749 §3.1.2.3: simple string comparison).

import { toClientMetadata } from './applications.ts';
import type { Environment } from './environment.ts';

export interface RedirectMismatch {
  sent: string;
  registered: string[];
  application: string;
}

/**
 * Takes an error code and the parameters `client_id` and `redirect_uri` of the failed request;
 * returns undefined for any other error. The page must not redirect to the URI (RFC 6749 §4.1.2.4)
 * or link to it: an attacker may have chosen it.
 */
export function redirectMismatch(
  environment: Environment,
  error: string,
  parameters: URLSearchParams,
): RedirectMismatch | undefined {
  const application = environment.findApplication(parameters.get('client_id') ?? '');
  const sent = parameters.get('redirect_uri');
  if (error !== 'invalid_redirect_uri' || !application || sent === null) return undefined;
  const { redirect_uris: registered = [] } = toClientMetadata(
    application,
    environment.redirectUris,
  );
  return {
    sent: showCodePoints(sent),
    registered: registered.map((uri) => showCodePoints(uri)),
    application: application.name,
  };
}

/** Shows spaces and letters of other alphabets as code points: they would go unnoticed. */
const showCodePoints = (uri: string) =>
  uri.replaceAll(/[^\x21-\x7e]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
