// What AuthKit does with an authorization request that it must not answer at the redirect URI
// (RFC 6749 §4.1.2.1): it redirects to a page of its own, which has the status 200.

import type { RequestHandler } from 'express';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Environment } from './environment.ts';
import { redirectMismatch } from './redirect-mismatch.ts';
import { sendError } from './screens.ts';

export const ERROR_PATH = '/oauth2/error';

/** AuthKit's names for errors of oidc-provider. */
const NAMES: Readonly<Record<string, string>> = { invalid_client: 'application_not_found' };

/** Redirects the failed request to the error page. The values sent are only for its text. */
export function redirectToErrorPage(
  ctx: KoaContextWithOIDC,
  error: string,
  { issuer }: Environment,
): void {
  const url = new URL(ERROR_PATH, issuer);
  url.searchParams.set('error', NAMES[error] ?? error);
  const { client_id: clientId, redirect_uri: sent } = ctx.oidc.params ?? {};
  if (error === 'invalid_redirect_uri') {
    url.searchParams.set('client_id', String(clientId));
    url.searchParams.set('redirect_uri', String(sent));
  }
  ctx.redirect(url.href);
}

/** GET on `ERROR_PATH`. */
export function errorPage(environment: Environment): RequestHandler {
  return (req, res) => {
    const { searchParams } = new URL(req.url, environment.issuer);
    const error = searchParams.get('error') ?? 'invalid_request';
    return sendError(res, 200, error, redirectMismatch(environment, error, searchParams));
  };
}
