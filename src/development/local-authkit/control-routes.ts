// The control API over HTTP, for developers and other processes: GET <issuer>/_control lists the
// operations, POST <issuer>/_control/<name> with a JSON body runs one. Like every route, loopback only.

import { json, Router, type RequestHandler } from 'express';
import { z } from 'zod';
import type { Control } from './control.ts';
import { faultSchema } from './faults.ts';
import { PERMISSIONS } from './people.ts';

const person = z.strictObject({ sub: z.string() });
const membership = person.extend({ organization: z.string() });
const givenName = z.string().trim().min(1).max(100);
const nothing = z.strictObject({});

/** Returns the routes below /_control. */
export function controlRoutes(control: Control): Router {
  const operations: Record<keyof Control, RequestHandler> = {
    fault: operation(faultSchema, control.fault),
    reset: operation(nothing, control.reset),
    requests: operation(nothing, control.requests),
    expireTokens: operation(person, control.expireTokens),
    revokeTokens: operation(person, control.revokeTokens),
    endGrant: operation(person.extend({ clientId: z.string().optional() }), control.endGrant),
    deletePerson: operation(person, (input) => control.deletePerson(input)),
    renamePerson: operation(person.extend({ givenName }), (input) => control.renamePerson(input)),
    setPermissions: operation(
      membership.extend({ permissions: z.array(z.enum(PERMISSIONS)) }),
      (input) => control.setPermissions(input),
    ),
    removeMembership: operation(membership, (input) => control.removeMembership(input)),
    restorePeople: operation(nothing, () => control.restorePeople()),
    publishKey: operation(nothing, control.publishKey),
    rotateKeys: operation(nothing, control.rotateKeys),
    retireKeys: operation(nothing, control.retireKeys),
    setAccessTokenSeconds: operation(
      z.strictObject({ seconds: z.int().positive() }),
      control.setAccessTokenSeconds,
    ),
  };
  const router = Router();
  router.get('/', (_req, res) => {
    res.json({ operations: Object.keys(operations), requests: control.requests() });
  });
  router.use(json());
  for (const [name, handler] of Object.entries(operations)) router.post(`/${name}`, handler);
  return router;
}

function operation<Schema extends z.ZodType>(
  schema: Schema,
  run: (input: z.output<Schema>) => unknown,
): RequestHandler {
  return async (req, res) => {
    // A page on another origin can send a form or text/plain here, but not JSON.
    const isJson = Boolean(req.is('application/json'));
    const input = schema.safeParse(req.body);
    if (!isJson) res.status(415).json({ error: 'Send JSON' });
    else if (!input.success) res.status(400).json({ error: z.prettifyError(input.error) });
    else res.json((await run(input.data)) ?? {});
  };
}
