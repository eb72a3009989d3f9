// Protected resource metadata: the document that tells a client which issuer to get a token from.
// RFC 9728: https://www.rfc-editor.org/rfc/rfc9728
import type { Request, RequestHandler } from 'express';
import type { Issuer } from './issuer.ts';

export interface ProtectedResource {
  /** The API's own URL: its origin, or its resource indicator if that is on this origin. */
  resource: string | URL;
  issuer: Issuer;
  scopes?: readonly string[];
}

/** The URL of this resource's document: the well-known part precedes the path (RFC 9728 §3.1). */
export function protectedResourceMetadataUrl(resource: string | URL): URL {
  const url = new URL(resource);
  const path = url.pathname === '/' ? '' : url.pathname;
  url.pathname = `/.well-known/oauth-protected-resource${path}`;
  url.hash = '';
  return url;
}

/**
 * Takes the origin of an API and returns a function for its challenges, which maps a request to the
 * document of the URL it called: a client must reject a document for any other (RFC 9728 §3.3).
 */
export function metadataUrlOf(origin: string | URL): (req: Request) => string {
  return (req) => {
    const url = protectedResourceMetadataUrl(origin);
    // Drops the query, which may hold a token, and the host of an absolute-form request line.
    url.pathname += req.originalUrl.replace(/^\w+:\/\/[^/?]*|\?.*$/g, '');
    return url.href;
  };
}

/**
 * Mount it at the root of the app. Responds to GET with the document of this resource, with or
 * without a trailing slash, and with a document for each URL below it (RFC 9728 §3.2).
 */
export function protectedResourceMetadata(options: ProtectedResource): RequestHandler {
  const { resource, issuer, scopes } = options;
  const { pathname } = protectedResourceMetadataUrl(resource);
  const prefix = String(resource).replace(/\/?(\?.*)?$/, '');
  const { pathname: root } = protectedResourceMetadataUrl(prefix);
  return ({ path, method }, res, next) => {
    if (!`${path}/`.startsWith(`${root}/`) || !['GET', 'HEAD'].includes(method)) return next();
    return res.set('Cache-Control', 'public, max-age=300').json({
      // Clients compare this with the URL they called, character by character (§3.3).
      resource: path === pathname ? String(resource) : prefix + path.slice(root.length),
      authorization_servers: [issuer.identifier],
      bearer_methods_supported: ['header'],
      scopes_supported: scopes,
    });
  };
}
