// Client authentication at the endpoints that are our own (RFC 6749 §2.3.1): secret in the body or
// Basic; a Public application names itself and has no secret.

import type { Request, Response } from 'express';
import { hasSecret, type Application } from './applications.ts';
import type { Environment } from './environment.ts';

/** Returns the application that sent the form, or undefined where it did not prove itself. */
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
  const isProven =
    application.secrets.length === 0
      ? secret === undefined
      : secret !== undefined && hasSecret(application, secret);
  return isProven ? application : undefined;
}

export function refuseClient(req: Request, res: Response): void {
  if (req.get('authorization') !== undefined) res.set('www-authenticate', 'Basic');
  res.status(401).json({ error: 'invalid_client', error_description: 'Invalid client.' });
}

/** A field of the form; undefined where it is missing or given twice. */
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

/** Both halves are form-encoded first (§2.3.1). */
function decodeForm(text: string): string {
  return new URLSearchParams(`value=${text.replaceAll('&', '%26')}`).get('value') ?? '';
}
