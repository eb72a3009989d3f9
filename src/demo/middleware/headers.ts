// Security headers for every answer: no script at all, nothing from elsewhere, not in a frame.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

const TWO_YEARS_S = 63_072_000;

/** Forms may go to this origin and, for a redirect after POST /logout, to `issuer`; nowhere else. */
export function securityHeaders(baseUrl: URL, issuer: URL): RequestHandler {
  const helmetSays = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        // Browsers apply form-action to the redirect that answers a form too.
        formAction: ["'self'", issuer.origin],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Not no-referrer: with that, browsers send `Origin: null` from our own forms.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
    strictTransportSecurity: baseUrl.protocol === 'https:' && { maxAge: TWO_YEARS_S },
  });
  // They are the same for every answer, so helmet works them out once.
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  helmetSays(sample.req, sample, () => undefined);
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
