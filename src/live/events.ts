// Server-sent events (HTML Living Standard §9.2): an event stream that tells its page when the
// session has ended.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Auth, WatchedSession } from '../auth/index.ts';
import { admit, type Refusal } from './admission.ts';
import type { Connections, Ending } from './connections.ts';

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  // nginx would otherwise hold the events back until its buffer is full.
  'X-Accel-Buffering': 'no',
};
const SESSION_ENDED = 'event: session-ended\ndata:\n\n';

/**
 * A handler for GET, of Express or of node:http, before `auth.session`. Calls `onOpen` with the
 * stream of a signed-in user, for events of your own. EventSource takes any status but 200 as final
 * and does not show it to the page. So without a session the stream has the one event
 * `session-ended`, and while the store is away it is empty: the browser tries again. 403 for a page
 * of another origin, 429 beyond `perSession`.
 */
export function eventStreams(auth: Pick<Auth, 'watch'>, connections: Connections) {
  return (onOpen?: (stream: ServerResponse, session: WatchedSession) => void) =>
    async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
      const session = await admit(auth, connections, req);
      if ('status' in session) return refuse(res, session);
      res.writeHead(200, HEADERS).flushHeaders();
      // A response to HEAD has no body.
      if (req.method !== 'GET' || res.destroyed) return void res.end();
      res.on('close', connections.add(session, streamConnection(res)));
      // An event that is written after the end would otherwise end the process.
      res.on('error', () => undefined);
      onOpen?.(res, session);
    };
}

function refuse(res: ServerResponse, { status, message }: Refusal): void {
  if (status === 401) res.writeHead(200, HEADERS).end(SESSION_ENDED);
  else if (status === 503) res.writeHead(200, HEADERS).end(`: ${message}\n\n`);
  else res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(message);
}

const streamConnection = (res: ServerResponse) => ({
  // A comment, which the page does not see.
  beat: () => void res.write(':\n\n'),
  close: (why: Ending) => void res.end(why === 'session_ended' ? SESSION_ENDED : ''),
});
