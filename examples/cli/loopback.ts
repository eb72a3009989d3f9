// Receives the authorization response: a loopback server that runs for one sign-in.
// RFC 8252: https://www.rfc-editor.org/rfc/rfc8252

import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { CliError } from './errors.ts';

export interface Callback {
  url: URL;
  /** Shows the user in the browser how the sign-in ended. */
  respond: (sentence: string) => Promise<void>;
}

const waitMs = 5 * 60_000;

/**
 * Listens on a free port of 127.0.0.1: `localhost` could resolve to another interface
 * (section 8.3), and AuthKit must accept any port (section 7.3).
 */
export async function listenForCallback(state: string) {
  const events = new EventEmitter<{ callback: [Callback] }>();
  let redirectUri = 'http://127.0.0.1/callback';
  const server = createServer((req, res) => {
    const path = req.url ?? '/';
    // The code must be exchanged with exactly this redirect URI, port included (RFC 6749 §4.1.3).
    const url = new URL(path.startsWith('//') ? '/' : path, redirectUri);
    // Any page can send the browser here: a request without our state is ignored (RFC 9700 §4.7).
    if (
      req.method !== 'GET' ||
      url.pathname !== '/callback' ||
      url.searchParams.get('state') !== state
    ) {
      void page(res, 404, 'This page does not exist.');
      return;
    }
    const respond = (sentence: string) => page(res, 200, sentence);
    events.emit('callback', { url, respond });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  redirectUri = `http://127.0.0.1:${port}/callback`;
  return {
    redirectUri,
    /** The first response with our state; throws CliError `not_completed` after five minutes. */
    async callback(): Promise<Callback> {
      const signal = AbortSignal.timeout(waitMs);
      const [callback] = await once(events, 'callback', { signal }).catch((cause: unknown) => {
        throw new CliError('not_completed', 'No sign-in within 5 minutes. Try again.', {
          cause,
        });
      });
      return callback;
    },
    close() {
      server.close();
      server.closeAllConnections(); // spare connections would keep this program alive
    },
  };
}

async function page(res: ServerResponse, status: number, sentence: string): Promise<void> {
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'",
    // The URL of this page contains the code.
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  res.end(`<!doctype html><html lang="en"><title>Sign-in</title><p>${sentence}</p></html>\n`);
  await once(res, 'close');
}
