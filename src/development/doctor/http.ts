// HTTP requests of the doctor, limited in time and size; redirects are reported, not followed. They
// do not use fetch, which sets Sec-Fetch-Mode as for a script: the doctor must look like a browser.
import { Agent, request, type Dispatcher } from 'undici';
import type { Config } from '../../config/config.ts';
import { createProxiedFetch, createProxyAgent, ProxyError } from '../../process/outgoing-proxy.ts';

const TIMEOUT_MS = 5_000;
const MAX_TEXT_LENGTH = 512 * 1024;

export interface HttpResponse {
  /** 0 if there was no response; `failure` then says why. */
  status: number;
  headers: Headers;
  text: string;
  /** Undefined if the text is not a JSON object. */
  json?: Record<string, unknown> | undefined;
  failure?: string;
}

interface RequestOptions {
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
}

/** Sends requests as the app does: through its proxy, if it has one. */
export interface Http {
  /**
   * Sends one request. Never rejects, and takes at most 5 seconds. A redirect is returned like any
   * other response (RFC 9110 §15.4).
   */
  send(url: URL, options?: RequestOptions): Promise<HttpResponse>;
  /** Posts a form (RFC 6749 Appendix B); otherwise like `send`. */
  postForm(url: URL, form: URLSearchParams, headers?: Headers): Promise<HttpResponse>;
  /** The fetch that the app uses; undefined for the global one. */
  fetch: typeof globalThis.fetch | undefined;
}

/** Takes the settings of the proxy, if there is one. */
export function createHttp(proxy: Config['proxy']): Http {
  const dispatcher = proxy ? createProxyAgent(proxy) : new Agent();
  const send: Http['send'] = (url, options = {}) => sendRequest(dispatcher, url, options);
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return {
    send,
    postForm: (url, form, headers = new Headers()) =>
      send(url, {
        method: 'POST',
        headers: { ...Object.fromEntries(headers), ...type },
        body: form.toString(),
      }),
    fetch: proxy && createProxiedFetch(proxy),
  };
}

async function sendRequest(
  dispatcher: Dispatcher,
  url: URL,
  { method = 'GET', headers = {}, body }: RequestOptions,
): Promise<HttpResponse> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const all = { accept: '*/*', 'user-agent': 'node', ...headers };
    // `reset` closes the connection after the response, so that the process can end.
    const options = { dispatcher, method, headers: all, body: body ?? null, signal, reset: true };
    return await read(await request(url, options));
  } catch (error) {
    return { status: 0, headers: new Headers(), text: '', failure: describeFailure(error) };
  }
}

async function read({
  statusCode: status,
  headers: received,
  body,
}: Dispatcher.ResponseData): Promise<HttpResponse> {
  let text = '';
  for await (const chunk of body.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_TEXT_LENGTH) break;
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(received)) {
    for (const value of [values].flat()) headers.append(name, value);
  }
  return { status, headers, text, json: parseObject(text) };
}

/** The target of a redirect (RFC 9110 §10.2.2); undefined if the response is not a redirect. */
export function locationOf({ headers }: HttpResponse, url: URL): URL | undefined {
  const location = headers.get('location');
  return location === null ? undefined : (URL.parse(location, url.href) ?? undefined);
}

/** An error code as OAuth defines them (RFC 6749 §5.2); other text could hold anything. */
export function errorCode(value: unknown): string | undefined {
  return typeof value === 'string' && /^[a-z_]{1,40}$/.test(value) ? value : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const REASONS: [pattern: RegExp, words: string][] = [
  [/ENOTFOUND|EAI_AGAIN/, 'the host name is unknown'],
  [/ECONNREFUSED/, 'nothing is listening there'],
  [/TIMEOUT|ABORT/i, 'no response in time (a firewall?)'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO/,
    'its certificate is not trusted; add its CA with NODE_EXTRA_CA_CERTS',
  ],
  [/SSL|TLS|EPROTO/, 'it does not speak TLS'],
  [/ECONNRESET|SOCKET/i, 'it closes the connection'],
  [/EMFILE|ENFILE/, 'this machine has too many open files (ulimit -n)'],
];

/** Takes a connection error; returns the reason in a few words and never quotes the error. */
export function describeFailure(error: unknown): string {
  // The exception: its text is our own.
  if (error instanceof ProxyError) return error.message;
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const text = `${String(name)} ${String(code)}`;
  const [, words = 'it does not respond'] = REASONS.find(([pattern]) => pattern.test(text)) ?? [];
  return words;
}
