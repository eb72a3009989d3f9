// Makes an endpoint fail as networks and servers do, for the next requests or until reset.

import type { RequestHandler, Response } from 'express';
import { z } from 'zod';

const PATHS = {
  discovery: /^\/\.well-known\//,
  jwks: /^\/oauth2\/jwks$/,
  authorize: /^\/oauth2\/authorize$/,
  token: /^\/oauth2\/token$/,
  userinfo: /^\/oauth2\/userinfo$/,
  introspection: /^\/oauth2\/introspection$/,
  revocation: /^\/oauth2\/revoke$/,
  device_authorization: /^\/oauth2\/device_authorization$/,
} as const;

export const faultSchema = z.strictObject({
  endpoint: z.enum([
    'discovery',
    'jwks',
    'authorize',
    'token',
    'userinfo',
    'introspection',
    'revocation',
    'device_authorization',
  ]),
  /**
   * slow: responds after `seconds`. status: responds with `status`. garbage: 200 with invalid JSON.
   * silent: no response at all. cut: closes the connection.
   */
  kind: z.enum(['slow', 'status', 'garbage', 'silent', 'cut']),
  seconds: z.number().positive().max(600).default(5),
  status: z.int().min(400).max(599).default(503),
  /** Seconds in the Retry-After header. */
  retryAfter: z.int().positive().optional(),
  /** Number of requests to fail; absent: until reset. */
  requests: z.int().positive().optional(),
  /** Carries out the request and loses only the response; no effect on slow. */
  afterwards: z.boolean().default(false),
});

export type FaultInput = z.input<typeof faultSchema>;
export type Endpoint = FaultInput['endpoint'];
type Fault = z.output<typeof faultSchema>;

export interface Faults {
  /** Replaces the endpoint's fault. Errors: ZodError. */
  set(input: FaultInput): void;
  clear(): void;
  /** Requests per endpoint since the start or the last reset. */
  requests(): Record<Endpoint, number>;
  middleware: RequestHandler;
}

/** Returns the faults, all off, and the middleware that applies them. */
export function createFaults(): Faults {
  const active = new Map<Endpoint, Fault>();
  const counts = new Map<Endpoint, number>();

  function take(endpoint: Endpoint): Fault | undefined {
    const fault = active.get(endpoint);
    if (fault?.requests !== undefined && --fault.requests === 0) active.delete(endpoint);
    return fault;
  }

  return {
    set(input) {
      active.set(input.endpoint, faultSchema.parse(input));
    },
    clear() {
      active.clear();
      counts.clear();
    },
    requests() {
      const entries = faultSchema.shape.endpoint.options.map((name) => [
        name,
        counts.get(name) ?? 0,
      ]);
      return Object.fromEntries(entries);
    },
    middleware(req, res, next) {
      const endpoint = faultSchema.shape.endpoint.options.find((name) =>
        PATHS[name].test(req.path),
      );
      if (endpoint === undefined) return next();
      counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
      const fault = take(endpoint);
      if (!fault) return next();
      if (fault.kind === 'slow') return void setTimeout(next, fault.seconds * 1000);
      if (!fault.afterwards) return fail(res, fault);
      res.end = () => {
        Reflect.deleteProperty(res, 'end');
        fail(res, fault);
        return res;
      };
      next();
    },
  };
}

function fail(res: Response, { kind, status, retryAfter }: Fault): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  switch (kind) {
    case 'status':
      if (retryAfter !== undefined) res.setHeader('retry-after', retryAfter);
      res.writeHead(status, { 'content-type': 'text/plain' }).end('out of order');
      return;
    case 'garbage':
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"truncated":"by a pr');
      return;
    case 'cut':
      res.socket?.destroy();
      return;
    case 'slow':
    case 'silent':
  }
}
