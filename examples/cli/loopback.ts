// Where the browser brings the answer: a server on loopback that lives for one sign-in.
// RFC 8252: https://www.rfc-editor.org/rfc/rfc8252

import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { CliError } from './errors.ts';

export interface Callback {
  url: URL;
  /** Tells the person in the browser how it ended. */
  answer: (sentence: string) => Promise<void>;
}

const waitMs = 5 * 60_000;

/**
 * Listens on a free port of 127.0.0.1: an address rather than `localhost`, which could resolve to
 * another interface (section 8.3), and any port, as section 7.3 asks AuthKit to accept.
 */
export async function listenForCallback(state: string) {
  const events = new EventEmitter<{ callback: [Callback] }>();
  let redirectUri = 'http://127.0.0.1/callback';
  const server = createServer((req, res) => {
    const path = req.url ?? '/';
    // The code is exchanged with this very address, port included (RFC 6749 §4.1.3).
    const url = new URL(path.startsWith('//') ? '/' : path, redirectUri);
    // Any page can send the browser here: what does not know the state ends nothing (RFC 9700 §4.7).
    if (
      req.method !== 'GET' ||
      url.pathname !== '/callback' ||
      url.searchParams.get('state') !== state
    ) {
      void page(res, 404, 'There is nothing here.');
      return;
    }
    const answer = (sentence: string) => page(res, 200, sentence);
    events.emit('callback', { url, answer });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  redirectUri = `http://127.0.0.1:${port}/callback`;
  return {
    redirectUri,
    /** The first answer with our state; throws CliError `not_completed` after five minutes. */
    async callback(): Promise<Callback> {
      const signal = AbortSignal.timeout(waitMs);
      const [callback] = await once(events, 'callback', { signal }).catch((cause: unknown) => {
        throw new CliError('not_completed', 'Nobody signed in for 5 minutes. Try again.', {
          cause,
        });
      });
      return callback;
    },
    close() {
      server.close();
      server.closeAllConnections(); // browsers open spare ones, which would keep this program alive
    },
  };
}

async function page(res: ServerResponse, status: number, sentence: string): Promise<void> {
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'",
    // The address of this page has the code in it.
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  res.end(`<!doctype html><html lang="en"><title>Sign-in</title><p>${sentence}</p></html>\n`);
  await once(res, 'close');
}
