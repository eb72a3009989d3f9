// Data for the error page about an unregistered redirect URI. A real authorization server does not
// disclose its registered URIs; this one is a development tool on loopback, and its user is looking
// for the one character that differs (RFC 6749 §3.1.2.3: simple string comparison).

import type { KoaContextWithOIDC } from 'oidc-provider';

export interface RedirectMismatch {
  sent: string;
  registered: string[];
  application: string;
}

/**
 * Takes the failed request and its error code; returns undefined for any other error. The page must
 * not redirect to the URI (RFC 6749 §4.1.2.4) or link to it: an attacker may have chosen it.
 */
export function redirectMismatch(
  { oidc }: KoaContextWithOIDC,
  code: string,
): RedirectMismatch | undefined {
  const { client, params } = oidc;
  const sent = params?.['redirect_uri'];
  if (code !== 'invalid_redirect_uri' || !client || typeof sent !== 'string') return undefined;
  return {
    sent: showCodePoints(sent),
    registered: (client.redirectUris ?? []).map((uri) => showCodePoints(uri)),
    application: client.clientName ?? client.clientId,
  };
}

/** Shows spaces and letters of other alphabets as code points: they would go unnoticed. */
const showCodePoints = (uri: string) =>
  uri.replaceAll(/[^\x21-\x7e]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
