// Who may open a connection.
import type { IncomingMessage } from 'node:http';
import type { Auth, WatchedSession } from '../auth/index.ts';
import type { Connections } from './connections.ts';

export interface Refusal {
  status: number;
  /** A sentence for the client; it quotes nothing from outside. */
  message: string;
}

/** The session of this request, or why it may not open a connection. */
export async function admit(
  auth: Pick<Auth, 'watch'>,
  connections: Connections,
  req: IncomingMessage,
): Promise<WatchedSession | Refusal> {
  const session = await auth.watch(req).catch(toRefusal);
  if ('status' in session) return session;
  if (connections.isClosed) return { status: 503, message: 'This server is shutting down.' };
  if (connections.hasRoom(session)) return session;
  return { status: 429, message: 'Your session has too many open connections.' };
}

/** Of a SignInError; the message of any other error is not for the client. */
function toRefusal({ status, message }: Partial<Refusal>): Refusal {
  return status && message
    ? { status, message }
    : { status: 500, message: 'Something went wrong.' };
}
