// The document that tells a client which issuer to get a token from.
// RFC 9728: https://www.rfc-editor.org/rfc/rfc9728
import type { Request, RequestHandler } from 'express';
import type { Issuer } from './issuer.ts';

export interface ProtectedResource {
  /** The API's own URL: its origin, or its resource indicator where that lies on this origin. */
  resource: string | URL;
  issuer: Issuer;
  scopes?: readonly string[];
}

/** Where the document of this resource is: before the path, not behind it (RFC 9728 §3.1). */
export function protectedResourceMetadataUrl(resource: string | URL): URL {
  const url = new URL(resource);
  const path = url.pathname === '/' ? '' : url.pathname;
  url.pathname = `/.well-known/oauth-protected-resource${path}`;
  url.hash = '';
  return url;
}

/**
 * Takes the origin of an API and returns, for its challenges, where the document of the URL is that a
 * request called: a client that comes from there must refuse one of any other URL (RFC 9728 §3.3).
 */
export function metadataUrlOf(origin: string | URL): (req: Request) => string {
  return (req) => {
    const url = protectedResourceMetadataUrl(origin);
    // Without the query, where a token may be; and without the host of a proxy's request line.
    url.pathname += req.originalUrl.replace(/^\w+:\/\/[^/?]*|\?.*$/g, '');
    return url.href;
  };
}

/**
 * For the root of the app: responds to GET with the document of this resource, with or without a slash
 * at its end, and with one of each URL below it (RFC 9728 §3.2).
 */
export function protectedResourceMetadata(options: ProtectedResource): RequestHandler {
  const { resource, issuer, scopes } = options;
  const { pathname } = protectedResourceMetadataUrl(resource);
  const prefix = String(resource).replace(/\/?(\?.*)?$/, '');
  const { pathname: root } = protectedResourceMetadataUrl(prefix);
  return ({ path, method }, res, next) => {
    if (!`${path}/`.startsWith(`${root}/`) || !['GET', 'HEAD'].includes(method)) return next();
    return res.set('Cache-Control', 'public, max-age=300').json({
      // Clients compare this, character by character, with the URL they called (§3.3).
      resource: path === pathname ? String(resource) : prefix + path.slice(root.length),
      authorization_servers: [issuer.identifier],
      bearer_methods_supported: ['header'],
      scopes_supported: scopes,
    });
  };
}
