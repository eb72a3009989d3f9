// The connections that a page keeps open: an event stream, and a WebSocket.
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import type { Browser } from './browser.ts';

type Headers = Record<string, string>;

function headersOf(browser: Browser, url: string, headers: Headers): Headers {
  const target = new URL(url);
  const cookie = browser.jar.header(target, { from: target, method: 'GET', isNavigation: false });
  return { ...(cookie !== '' && { cookie }), 'sec-fetch-site': 'same-origin', ...headers };
}

export interface OpenStream {
  response: IncomingMessage;
  /** What has come so far. */
  text(): string;
  /** Everything that came, once the server has ended it. */
  ended: Promise<string>;
  close(): void;
}

/** Opens an event stream with the cookies of this browser. */
export async function openStream(
  browser: Browser,
  url: string,
  headers: Headers = {},
): Promise<OpenStream> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { agent: false, headers: headersOf(browser, url, headers) };
    get(url, options, resolve).on('error', reject);
  });
  let received = '';
  response.setEncoding('utf8').on('data', (part: string) => (received += part));
  const ended = new Promise<string>((resolve) => {
    response.once('close', () => resolve(received));
  });
  return { response, ended, text: () => received, close: () => response.destroy() };
}

export interface Opened {
  socket: WebSocket;
  /** How it was closed: `4401 session ended`. */
  closed: Promise<string>;
}

/**
 * Opens a WebSocket with the cookies of this browser.
 * @throws Error with the response to a refused upgrade: `401 You are not signed in.`
 */
export async function openSocket(
  browser: Browser,
  url: string,
  headers: Headers = {},
): Promise<Opened> {
  const { origin = new URL(url).origin, ...others } = headers;
  const options = { origin, headers: headersOf(browser, url, others) };
  const socket = new WebSocket(url.replace('http', 'ws'), options);
  const closed = new Promise<string>((resolve) => {
    socket.once('close', (code, reason) => resolve(`${code} ${reason.toString()}`));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve()).once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      // It ends with the connection: a refusal that hangs is no refusal.
      void text(response).then((body) => reject(new Error(`${response.statusCode} ${body}`)));
    });
  });
  socket.on('error', () => undefined);
  return { socket, closed };
}

/** The response to an upgrade that is refused; 101 if it is not. */
export async function refusalOf(...request: Parameters<typeof openSocket>): Promise<string> {
  try {
    (await openSocket(...request)).socket.close();
    return '101';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}
