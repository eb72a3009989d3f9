// The HTTP server: how long and how large a request may be, and what a malformed one gets.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

// A client that sends or reads slowly ties up its own connection, not the server.
const SERVER_BOUNDS = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // Longer than the 60 s for which proxies keep idle connections, so they never reuse a dead one.
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

export const createHttpServer = (): Server =>
  createServer(SERVER_BOUNDS).on('clientError', rejectMalformed);

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
