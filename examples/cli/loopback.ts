// Receives the authorization response: a loopback server that runs for one sign-in.
// RFC 8252: https://www.rfc-editor.org/rfc/rfc8252

import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import { CliError } from './errors.ts';

const waitMs = 5 * 60_000;
/** How long the page can be loaded again after the sign-in. */
const lingerMs = 1000;

/**
 * Listens on a free port of 127.0.0.1: `localhost` could resolve to another interface
 * (section 8.3), and AuthKit must accept any port (section 7.3).
 */
export async function listenForCallback(state: string) {
  const events = new EventEmitter<{ callback: [URL]; outcome: [string] }>();
  let outcome: string | undefined;
  let redirectUri = 'http://127.0.0.1/callback';
  const server = createServer((req, res) => {
    const [path, query] = (req.url ?? '').split('?');
    // The code must be exchanged with exactly this redirect URI, port included (RFC 6749 §4.1.3).
    const url = new URL(`?${query}`, redirectUri);
    // Any page can send the browser here: a request without our state is ignored (RFC 9700 §4.7).
    if (req.method !== 'GET' || path !== '/callback' || url.searchParams.get('state') !== state) {
      page(res, 404, 'This page does not exist.');
    } else if (outcome === undefined) {
      // A browser may ask twice (reload, double click): the code is exchanged once, for one page.
      events.once('outcome', (sentence) => page(res, 200, sentence));
      events.emit('callback', url);
    } else {
      page(res, 200, outcome);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  redirectUri = `http://127.0.0.1:${port}/callback`;
  return {
    redirectUri,
    /** The first response with our state; throws CliError `not_completed` after five minutes. */
    async callback(): Promise<URL> {
      const signal = AbortSignal.timeout(waitMs);
      const [url] = await once(events, 'callback', { signal }).catch((cause: unknown) => {
        throw new CliError('not_completed', 'No sign-in within 5 minutes. Try again.', {
          cause,
        });
      });
      return url;
    },
    /** Shows the user in the browser how the sign-in ended, as often as the browser asks. */
    respond(sentence: string) {
      outcome = sentence;
      events.emit('outcome', sentence);
    },
    close() {
      if (outcome === undefined) stop(server);
      else setTimeout(stop, lingerMs, server);
    },
  };
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections(); // spare connections would keep this program alive
}

function page(res: ServerResponse, status: number, sentence: string): void {
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'",
    // The URL of this page contains the code.
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  res.end(`<!doctype html><html lang="en"><title>Sign-in</title><p>${sentence}</p></html>\n`);
}
