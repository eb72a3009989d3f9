// The app: what a request passes before it reaches a tool, in this order.
// Authorization: https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization

import { CallToolRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import express from 'express';
import type { ErrorRequestHandler, Express, RequestHandler, Response } from 'express';
import {
  bearerErrorHandler,
  currentAccessToken,
  Issuer,
  protectedResourceMetadata,
  protectedResourceMetadataUrl,
  requireAccessToken,
} from '../../src/bearer/index.ts';
import type { AccessToken, BearerEvent } from '../../src/bearer/index.ts';
import { Sessions } from './sessions.ts';
import type { Settings } from './settings.ts';
import { toAuthInfo, toolGuards } from './tools.ts';

/** The JSON-RPC codes of the official SDK for these errors. */
const REFUSED = -32_000;
const SESSION_NOT_FOUND = -32_001;
const PARSE_ERROR = -32_700;

/** Takes the settings and a log, which gets no token; returns the app. */
export function createApp(settings: Settings, log: (event: BearerEvent) => void): Express {
  const { mcpUrl } = settings;
  const issuer = new Issuer(settings.issuer, { log });
  const app = express().disable('x-powered-by');
  app.use(rejectForeignOrigin(new URL(mcpUrl)));
  // Without `scopes`, clients request their own: of a list without `offline_access`, the SDK's client
  // would get no refresh token.
  app.use(protectedResourceMetadata({ resource: mcpUrl, issuer }));
  app.all(
    new URL(mcpUrl).pathname,
    // Only tokens for this server, not those for other APIs of the environment (RFC 8707).
    requireAccessToken({ issuer, audience: mcpUrl }),
    express.json({ limit: '1mb' }),
    guardTool,
    passToSession(new Sessions()),
  );
  const resourceMetadata = protectedResourceMetadataUrl(mcpUrl).href;
  app.use(bearerErrorHandler({ resourceMetadata, log }), refuseBody);
  return app;
}

/**
 * Refuses pages of other sites. By DNS rebinding, a page's own name leads to this machine: its Host
 * and Origin are then not ours ("Security Warning" of the transport).
 */
function rejectForeignOrigin({ host, origin }: URL): RequestHandler {
  return ({ headers }, res, next) => {
    if (headers.host === host && (headers.origin ?? origin) === origin) next();
    else respond(res, 403, REFUSED, 'Foreign Host or Origin');
  };
}

/** Responds with 403 and the missing scope, with which a client asks the user for more. */
const guardTool: RequestHandler = (req, res, next) => {
  if (Array.isArray(req.body)) {
    // Only revision 2025-03-26 has batches, and a call in one would pass unguarded.
    respond(res, 400, REFUSED, 'Send one message per request');
    return;
  }
  // The SDK reads calls with the same schema, so that no call looks different here.
  const { data: call } = CallToolRequestSchema.safeParse(req.body);
  const guard = toolGuards.get(call?.params.name ?? '');
  if (guard === undefined) next();
  else void guard(req, res, next);
};

function passToSession(sessions: Sessions): RequestHandler {
  return async (req, res) => {
    const caller = currentAccessToken(req);
    const id = req.get('mcp-session-id');
    const session = id === undefined ? await sessions.open(caller) : sessions.find(caller, id);
    if (session === undefined) {
      respond(res, 404, SESSION_NOT_FOUND, 'Session not found');
      return;
    }
    if (req.method === 'GET') endWithToken(res, caller);
    const authorized = Object.assign(req, { auth: toAuthInfo(caller) });
    // `undefined` would make the transport read a body that guardTool has not seen.
    await session.handleRequest(authorized, res, req.body ?? null);
  };
}

/** Ends an event stream with its token: the client opens the next one with a new token. */
function endWithToken(res: Response, { expiresAt }: AccessToken): void {
  const ms = Math.min(expiresAt * 1000 - Date.now(), 2 ** 31 - 1); // the most that setTimeout takes
  const timer = setTimeout(() => res.end(), ms);
  res.once('close', () => clearTimeout(timer));
}

/** A body that cannot be parsed is the client's error; others are left to Express and its log. */
const refuseBody: ErrorRequestHandler = (error, _req, res, next) => {
  const { status } = error as { status?: number };
  if (res.headersSent || status === undefined || status >= 500) next(error);
  else respond(res, status, PARSE_ERROR, 'The body cannot be parsed');
};

function respond(res: Response, status: number, code: number, message: string): void {
  res.status(status).json({ jsonrpc: '2.0', error: { code, message }, id: null });
}
