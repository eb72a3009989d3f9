// COPY THIS FOLDER (with src/auth): WebSockets and event streams that end with their session.
// License: MIT, or 0BSD for what you copy, whichever you prefer.
//
//   const live = createLive({ auth });
//   server.on('upgrade', live.upgrade(sockets, (socket, { user }) => ...)); // ws, { noServer: true }
//   app.get('/news', live.events((stream, { user }) => ...));               // server-sent events
//   live.close();                                                           // on SIGTERM
//
// In order: upgrade.ts or events.ts, admission.ts, connections.ts.
import type { Auth } from '../auth/index.ts';
import { Connections, type Limits } from './connections.ts';
import { eventStreams } from './events.ts';
import { webSockets } from './upgrade.ts';

export type { LiveSocket, WebSocketServer } from './upgrade.ts';

export interface LiveOptions extends Partial<Limits> {
  /** What `createAuth` returned. */
  auth: Pick<Auth, 'watch'>;
}

/** What `createLive` returns. */
export type Live = ReturnType<typeof createLive>;

/** @throws RangeError unless `everySeconds` is more than 0 and at most 15 */
export function createLive({ auth, ...limits }: LiveOptions) {
  const connections = new Connections(limits);
  return {
    upgrade: webSockets(auth, connections),
    events: eventStreams(auth, connections),
    /** Closes every connection, with 1001 (going away), and lets no other in. */
    close: () => connections.close(),
  };
}
