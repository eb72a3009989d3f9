// HTTP requests of the doctor, limited in time and size; redirects are reported, not followed. They
// do not use fetch, which sets Sec-Fetch-Mode as for a script: the doctor must look like a browser.
import { once } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';

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
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * Sends one request. Never rejects, and takes at most 5 seconds. A redirect is returned like any
 * other response (RFC 9110 §15.4).
 */
export async function sendRequest(url: URL, options: RequestOptions = {}): Promise<HttpResponse> {
  const { method = 'GET', headers = {}, body } = options;
  try {
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const all = { accept: '*/*', 'user-agent': 'node', ...headers };
    const request = send(url, { method, headers: all, signal, agent: false }).end(body);
    const [response]: IncomingMessage[] = await once(request, 'response');
    return response ? await read(response) : failed(undefined);
  } catch (error) {
    return failed(error);
  }
}

const failed = (error: unknown): HttpResponse => ({
  status: 0,
  headers: new Headers(),
  text: '',
  failure: describeFailure(error),
});

async function read(response: IncomingMessage): Promise<HttpResponse> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_TEXT_LENGTH) break;
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(response.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return { status: response.statusCode ?? 0, headers, text, json: parseObject(text) };
}

/** Posts a form (RFC 6749 Appendix B); takes its fields, otherwise like `sendRequest`. */
export const postForm = (url: URL, fields: Record<string, string>) =>
  sendRequest(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  });

/** The target of a redirect (RFC 9110 §10.2.2); undefined if the response is not a redirect. */
export function locationOf({ headers }: HttpResponse, url: URL): URL | undefined {
  const location = headers.get('location');
  return location === null ? undefined : (URL.parse(location, url.href) ?? undefined);
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
];

/** Takes a connection error; returns the reason in a few words and never quotes the error. */
export function describeFailure(error: unknown): string {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const text = `${String(name)} ${String(code)}`;
  const [, words = 'it does not respond'] = REASONS.find(([pattern]) => pattern.test(text)) ?? [];
  return words;
}
