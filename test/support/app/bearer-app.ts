// A small API over src/bearer on a real port, and a client that can send what fetch cannot: the
// same header twice, headers of a megabyte, bytes that are not ASCII.

import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { text } from 'node:stream/consumers';
import express from 'express';
import type { Express } from 'express';

export interface Running {
  url: string;
  close(): Promise<void>;
}

/** Serves an app on a free port. */
export async function serve(app: Express): Promise<Running> {
  const server = createServer({ maxHeaderSize: 4 * 1024 * 1024 }, app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface ApiResponse {
  status: number;
  headers: Record<string, string | undefined>;
  challenge: string | undefined;
  body: unknown;
}

export interface Call {
  method?: string;
  /** The raw request target; default: that of the URL, which is normalized. */
  path?: string;
  /** Sent unchanged, repeated names included. */
  headers?: readonly (readonly [string, string])[];
  body?: string;
}

/** Sends one request; parses the JSON body of the response. */
export async function call(url: string, { method = 'GET', path, headers = [], body }: Call = {}) {
  const { host } = new URL(url);
  const req = request(url, {
    method,
    // Some responses keep a connection that this request asked to close: it must not be used again.
    agent: false,
    ...(path !== undefined && { path }),
    headers: ['host', host, 'connection', 'close', ...headers.flat()],
  });
  req.end(body);
  const [res] = await once(req, 'response');
  const received = await text(res);
  const isJson = String(res.headers['content-type']).startsWith('application/json');
  const response: ApiResponse = {
    status: res.statusCode,
    headers: res.headers,
    challenge: res.headers['www-authenticate'],
    body: isJson && received !== '' ? JSON.parse(received) : received,
  };
  return response;
}

/** Calls with this access token. */
export function callWith(url: string, token: string): Promise<ApiResponse> {
  return call(url, { headers: [['authorization', `Bearer ${token}`]] });
}

/** An app in which every error other than BearerError becomes a 500. */
export function newApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  return app;
}
