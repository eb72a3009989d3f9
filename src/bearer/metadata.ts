// The document that tells a client which issuer to get a token from.
// RFC 9728: https://www.rfc-editor.org/rfc/rfc9728
import type { RequestHandler } from 'express';
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
  url.pathname = `/.well-known/oauth-protected-resource${url.pathname.replace(/\/$/, '')}`;
  url.hash = '';
  return url;
}

/** For the root of the app: responds to GET with the document of this resource (RFC 9728 §3.2). */
export function protectedResourceMetadata(options: ProtectedResource): RequestHandler {
  const { resource, issuer, scopes } = options;
  const { pathname } = protectedResourceMetadataUrl(resource);
  return (req, res, next) => {
    if (req.path !== pathname || (req.method !== 'GET' && req.method !== 'HEAD')) return next();
    return res.set('Cache-Control', 'public, max-age=300').json({
      // Clients compare this, character by character, with the URL they called (§3.3).
      resource: String(resource),
      authorization_servers: [issuer.identifier],
      bearer_methods_supported: ['header'],
      scopes_supported: scopes,
    });
  };
}
