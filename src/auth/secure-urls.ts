// Which URLs may be used without TLS: those on this machine.
import type { ServerMetadata } from 'openid-client';

/** The members of the metadata that are URLs we use (RFC 8414 §2). */
const URLS =
  /^(?:jwks_uri|(?:authorization|token|userinfo|introspection|revocation|end_session)_endpoint)$/;

/** The first of them in this metadata that must not be used; undefined if there is none. */
export const insecureMember = (metadata: Readonly<ServerMetadata>, issuer: URL) =>
  Object.keys(metadata).find((name) => URLS.test(name) && !isSecure(metadata[name], issuer));

/**
 * https, or http on loopback if the issuer is there too; else anyone on the network could swap the
 * keys, or read the client secret and tokens (RFC 9700 §2.6).
 */
function isSecure(address: unknown, issuer: URL): boolean {
  if (typeof address !== 'string' || !URL.canParse(address)) return false;
  const url = new URL(address);
  return url.protocol === 'https:' || (isLoopbackHttp(url) && isLoopbackHttp(issuer));
}

/** Whether this URL is plain http to this machine. */
export const isLoopbackHttp = ({ protocol, hostname }: URL) =>
  protocol === 'http:' && /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/.test(hostname);
