// Client authentication at the endpoints implemented here (RFC 6749 §2.3.1): a secret in the body
// or by Basic; a Public application sends its client id only.

import type { Request, Response } from 'express';
import { hasSecret, type Application } from './applications.ts';
import type { Environment } from './environment.ts';

/** Returns the application that sent the form, or undefined if it is not authenticated. */
export function authenticateClient(
  environment: Environment,
  req: Request,
): Application | undefined {
  const basic = readBasic(req.get('authorization'));
  const [clientId, secret] = basic ?? [
    formField(req, 'client_id'),
    formField(req, 'client_secret'),
  ];
  const application = environment.findApplication(clientId);
  if (!application) return undefined;
  const isAuthenticated =
    application.secrets.length === 0
      ? secret === undefined
      : secret !== undefined && hasSecret(application, secret);
  return isAuthenticated ? application : undefined;
}

/** What AuthKit sends to a client that does not authenticate, however it tried to. */
export const CHALLENGE = 'Basic realm="AuthKit"';

export function refuseClient(res: Response): void {
  res.set('www-authenticate', CHALLENGE);
  res.status(401).json({ error: 'invalid_client', error_description: 'Invalid client.' });
}

/** A field of the form; undefined if it is missing or repeated. */
export function formField(req: Request, name: string): string | undefined {
  const form: unknown = req.body;
  if (typeof form !== 'object' || form === null || !(name in form)) return undefined;
  const value: unknown = Reflect.get(form, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function readBasic(header: string | undefined): [string, string] | undefined {
  const [, encoded] = /^Basic ([\w+/=-]+)$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [, id = '', secret = ''] =
    /^([^:]*):(.*)$/.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  return [decodeForm(id), decodeForm(secret)];
}

/** Client id and secret are form-encoded before Basic encoding (§2.3.1). */
function decodeForm(text: string): string {
  return new URLSearchParams(`value=${text.replaceAll('&', '%26')}`).get('value') ?? '';
}
