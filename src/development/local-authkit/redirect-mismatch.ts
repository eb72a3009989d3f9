// What the error page shows of a redirect URI that is not registered. A real authorization server
// keeps its list to itself; this one is a development tool on loopback, and its user looks for the
// one character that differs (RFC 6749 §3.1.2.3: simple string comparison).

import type { KoaContextWithOIDC } from 'oidc-provider';

export interface RedirectMismatch {
  sent: string;
  registered: string[];
  application: string;
}

/**
 * Takes the failed request and its error code; undefined where that is another. The page must not
 * redirect there (RFC 6749 §4.1.2.4), nor link to it: whoever made the request has chosen it.
 */
export function redirectMismatch(
  { oidc }: KoaContextWithOIDC,
  code: string,
): RedirectMismatch | undefined {
  const { client, params } = oidc;
  const sent = params?.['redirect_uri'];
  if (code !== 'invalid_redirect_uri' || !client || typeof sent !== 'string') return undefined;
  return {
    sent: spelledOut(sent),
    registered: (client.redirectUris ?? []).map((uri) => spelledOut(uri)),
    application: client.clientName ?? client.clientId,
  };
}

/** A blank or a letter of another alphabet looks right and is not: each shows as its code point. */
const spelledOut = (uri: string) =>
  uri.replaceAll(/[^\x21-\x7e]/gu, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
