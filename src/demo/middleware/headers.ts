// Security headers for every response: nothing from other origins, no framing, no scripts except on
// the one page that has one.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

const TWO_YEARS_S = 63_072_000;

/** Forms may submit to this origin only; POST /logout may then redirect to `issuer`. */
export function securityHeaders(baseUrl: URL, issuer: URL): RequestHandler {
  const applyHelmet = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        // Browsers apply form-action to the redirect after a form as well.
        formAction: ["'self'", issuer.origin],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // With no-referrer, browsers would send `Origin: null` from our own forms.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: baseUrl.protocol === 'https:' && { maxAge: TWO_YEARS_S },
  });
  // The headers are the same for every response, so helmet computes them once.
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  applyHelmet(sample.req, sample, () => undefined);
  sample.setHeader(
    'Permissions-Policy',
    'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  );
  const headers = sample
    .getHeaderNames()
    .map((name) => [name, String(sample.getHeader(name))] as const);
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}

/** For a page with a script of ours that opens an event stream. Its file is not inline. */
export const allowOwnScript: RequestHandler = (_req, res, next) => {
  const name = 'Content-Security-Policy';
  res.set(name, `${res.get(name)};script-src 'self';connect-src 'self'`);
  next();
};
