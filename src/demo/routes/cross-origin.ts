// Lets pages on other origins call the API with a token; off unless origins are listed. Requests with
// cookies are never allowed: a token in the header is the only credential that the API accepts.
// Fetch, CORS protocol: https://fetch.spec.whatwg.org/#http-cors-protocol
import type { RequestHandler } from 'express';

/** Takes exact origins, such as `https://app.example.com`; responds to their preflight requests. */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    if (origins.length > 0) res.vary('Origin');
    const { origin } = req.headers;
    if (origin === undefined || !origins.includes(origin)) {
      next();
      return;
    }
    res.set('Access-Control-Allow-Origin', origin);
    res.set('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After');
    if (req.method !== 'OPTIONS' || !('access-control-request-method' in req.headers)) {
      next();
      return;
    }
    res.set('Access-Control-Allow-Methods', 'GET, HEAD');
    // MCP clients send their version with every request, even for an RFC 9728 document.
    res.set('Access-Control-Allow-Headers', 'Authorization, MCP-Protocol-Version');
    res.set('Access-Control-Max-Age', '600').status(204).end();
  };
}
