// Renders the screens: our own views, no scripts, one stylesheet.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Response } from 'express';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { RedirectMismatch } from './redirect-mismatch.ts';

// The compiler does not copy the views to dist.
const BESIDE_THIS_FILE = new URL('views', import.meta.url);
const IN_SRC = new URL(BESIDE_THIS_FILE.href.replace(/\/dist\/(?!.*\/dist\/)/, '/src/'));
/** The folder of the views, whether this file runs from src or from dist. */
export const VIEWS = fileURLToPath(existsSync(BESIDE_THIS_FILE) ? BESIDE_THIS_FILE : IN_SRC);

/** The text of the error page for each error code. */
const ERRORS: Readonly<Record<string, string>> = {
  application_not_found:
    'No application of this environment has this client ID. The client ID of the environment is often taken for it: set OAUTH_APP_CLIENT_ID to that of the application.',
  invalid_redirect_uri: 'This redirect URI is not registered for the application.',
  session_expired: 'This sign-in has ended or was started in another browser.',
  invalid_choice: 'This choice is not available.',
  cross_site: 'This request came from another site.',
  invalid_logout: 'The sign-out request has an invalid ID token hint or redirect URI.',
  server_error: 'The local AuthKit failed; its terminal shows the reason.',
};

function screenHeaders(formTarget?: string): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    // Chromium checks the form's whole redirect chain, which ends at the application's callback.
    `form-action 'self'${formTarget === undefined ? '' : ` ${toCspSource(formTarget)}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return {
    'cache-control': 'no-store',
    'content-security-policy': policy.join('; '),
    'content-type': 'text/html; charset=utf-8',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}

function toCspSource(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === 'null' ? protocol : origin;
}

const eta = new Eta({ views: VIEWS, cache: true, autoTrim: false, rmWhitespace: true });

/** Sends a screen as an Express response; `formTarget` is where the redirects of its form end. */
export function sendScreen(
  res: Response,
  status: number,
  view: string,
  data: object,
  formTarget?: string,
): void {
  const html = eta.render(view, data);
  res.status(status).set(screenHeaders(formTarget)).send(html);
}

/** Like `sendScreen`, inside oidc-provider. */
export function showScreen(ctx: KoaContextWithOIDC, view: string, data: object): void {
  const html = eta.render(view, data);
  ctx.set(screenHeaders());
  ctx.body = html;
}

const describe = (code: string) => ({
  code,
  sentence: ERRORS[code] ?? 'The application sent an invalid request.',
});

/** Sends an error page; `mismatch` is for an unregistered redirect URI only. */
export function sendError(
  res: Response,
  status: number,
  code: string,
  mismatch?: RedirectMismatch,
): void {
  sendScreen(res, status, 'error', { ...describe(code), mismatch });
}

/** Like `sendError`, inside oidc-provider. */
export function showError(ctx: KoaContextWithOIDC, code: string): void {
  showScreen(ctx, 'error', describe(code));
}
