// The HTTP server: how long and how large a request may be, and what a malformed one gets.
import { createServer, IncomingMessage, ServerResponse, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Express, Request, Response } from 'express';

// A client that sends or reads slowly ties up its own connection, not the server.
const SERVER_BOUNDS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than the 60 s for which proxies keep idle connections, so they never reuse a dead one.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

/**
 * A server whose requests and responses are made for `app`: sets `app.request` and `app.response`. The
 * caller adds the app as a listener.
 *
 * For each request, Express replaces the prototypes of both by `app.request` and `app.response`. On
 * Node 20 and 22, V8 then looks up each of their properties anew, which takes half of the time of a
 * page. Classes that have these prototypes from the start leave nothing to replace.
 */
export function createHttpServer(app: Express): Server {
  class AppRequest extends IncomingMessage {}
  class AppResponse extends ServerResponse {}
  app.request = Object.setPrototypeOf(AppRequest.prototype, app.request) as Request;
  app.response = Object.setPrototypeOf(AppResponse.prototype, app.response) as Response;
  const classes = { IncomingMessage: AppRequest, ServerResponse: AppResponse };
  return createServer({ ...SERVER_BOUNDS, ...classes }).on('clientError', rejectMalformed);
}

/** Responds to a malformed request, which Node's parser rejects before it reaches any route. */
function rejectMalformed({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  const [status, message] =
    code === 'HPE_HEADER_OVERFLOW'
      ? [
          '431 Request Header Fields Too Large',
          'The headers are larger than 16 kB: send fewer cookies',
        ]
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request did not arrive in time: send it again']
        : ['400 Bad Request', 'This is not a valid HTTP request'];
  const body = JSON.stringify({ error: 'invalid_request', message });
  const headers = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
  if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
  else socket.destroy();
}

/** Rejects with a code such as EADDRINUSE when the port cannot be used. */
export const listen = (server: Server, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve());
  });

/** The port of a listening server. */
export const portOf = (server: Server) => (server.address() as AddressInfo).port;
