// Security headers for every answer: no script at all, nothing from elsewhere, not in a frame.
import type { RequestHandler } from 'express';
import helmet from 'helmet';

const TWO_YEARS_S = 63_072_000;

const permissions: RequestHandler = (_req, res, next) => {
  res.set('Permissions-Policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()');
  next();
};

/** Forms may go to this origin and, for a redirect after POST /logout, to `issuer`; nowhere else. */
export function securityHeaders(baseUrl: URL, issuer: URL): RequestHandler[] {
  const headers = helmet({
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
  return [headers, permissions];
}
