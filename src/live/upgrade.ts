// WebSockets: who asks for one, and how it is closed. Written for `ws`, of which it needs only this
// shape.
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Auth, WatchedSession } from '../auth/index.ts';
import { admit, type Refusal } from './admission.ts';
import type { Connections, Ending } from './connections.ts';

/** A WebSocket of `ws`. */
export interface LiveSocket {
  close(code: number, reason: string): void;
  ping(): void;
  on(name: 'close' | 'error', listener: () => void): unknown;
  removeAllListeners(name: 'message'): unknown;
}

/** A server of `ws`, with `noServer: true`. */
export interface WebSocketServer<Socket> {
  handleUpgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    opened: (socket: Socket) => void,
  ): void;
}

/** Close codes of RFC 6455 §7.4; 4000 to 4999 are the application's own. */
const CLOSE_CODES: Record<Ending, [code: number, reason: string]> = {
  session_ended: [4401, 'session ended'],
  store_unavailable: [1013, 'try again later'],
  shutdown: [1001, 'going away'],
};

/**
 * A listener for `server.on('upgrade')`. Opens a WebSocket for a signed-in user whose access token
 * has not expired, and calls `onOpen` with it. Others get a status and a sentence: 401 without a
 * session, or until a page behind a guard has refreshed the access token; 403 for a page of another
 * origin; 429 beyond `perSession`; 503 while the store is away or the server shuts down.
 */
export function webSockets(auth: Pick<Auth, 'watch'>, connections: Connections) {
  return <Socket extends LiveSocket>(
    server: WebSocketServer<Socket>,
    onOpen: (socket: Socket, session: WatchedSession) => void,
  ) =>
    async (req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
      // A client that resets the connection would otherwise end the process.
      socket.on('error', () => socket.destroy());
      const session = await admit(auth, connections, req);
      if ('status' in session) return refuse(socket, session);
      if (Date.now() >= session.facts.expiresAt) return refuse(socket, EXPIRED);
      server.handleUpgrade(req, socket, head, (opened) => {
        open(opened, session, connections);
        onOpen(opened, session);
      });
    };
}

/** AuthKit was last asked when the access token was issued: since then, the grant may have ended. */
const EXPIRED = {
  status: 401,
  message: 'Your access token has expired: open a page, then try again.',
};

/** Sends an HTTP response and closes the connection. */
function refuse(socket: Duplex, { status, message }: Refusal): void {
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(message)}`,
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${message}`, () => socket.destroy());
}

function open(socket: LiveSocket, session: WatchedSession, connections: Connections): void {
  const remove = connections.add(session, {
    beat: () => socket.ping(),
    close(why) {
      // Until the client has confirmed the close, its messages would still be taken.
      socket.removeAllListeners('message');
      socket.close(...CLOSE_CODES[why]);
    },
  });
  socket.on('close', remove);
  // A frame that breaks the protocol would otherwise end the process; `ws` closes such a socket.
  socket.on('error', () => undefined);
}
