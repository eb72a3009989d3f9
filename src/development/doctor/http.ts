// Requests of the doctor: bounded in time and size, redirects looked at and not followed. Not by
// fetch, which calls itself a script (Sec-Fetch-Mode) where the doctor asks as a browser would.
import { once } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';

const TIMEOUT_MS = 5_000;
const LONGEST_TEXT = 512 * 1024;

export interface Answer {
  /** 0 where there was no answer; `silence` then says why. */
  status: number;
  headers: Headers;
  text: string;
  /** Undefined where the text is no JSON object. */
  json?: Record<string, unknown> | undefined;
  silence?: string;
}

interface Question {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * Sends one request. Takes the URL and what else there is to send; never rejects, and takes at most
 * 5 seconds. A redirect is an answer like any other (RFC 9110 §15.4).
 */
export async function ask(url: URL, question: Question = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = question;
  try {
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const all = { accept: '*/*', 'user-agent': 'node', ...headers };
    const request = send(url, { method, headers: all, signal, agent: false }).end(body);
    const [response]: IncomingMessage[] = await once(request, 'response');
    return response ? await read(response) : silent(undefined);
  } catch (error) {
    return silent(error);
  }
}

const silent = (error: unknown): Answer => ({
  status: 0,
  headers: new Headers(),
  text: '',
  silence: whySilent(error),
});

async function read(response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > LONGEST_TEXT) break;
  }
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(response.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return { status: response.statusCode ?? 0, headers, text, json: parseObject(text) };
}

/** Posts a form (RFC 6749 Appendix B); takes its fields, answers and fails as `ask` does. */
export const postForm = (url: URL, fields: Record<string, string>) =>
  ask(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(fields).toString(),
  });

/** Where a redirect leads (RFC 9110 §10.2.2); undefined where the answer is none. */
export function locationOf({ headers }: Answer, url: URL): URL | undefined {
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

const REASONS: [code: RegExp, words: string][] = [
  [/ENOTFOUND|EAI_AGAIN/, 'this host name is not known'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/TIMEOUT|ABORT/i, 'no answer in time (a firewall?)'],
  [/CERT|SELF_SIGNED|UNABLE_TO/, 'its certificate is not trusted; NODE_EXTRA_CA_CERTS adds one'],
  [/SSL|TLS|EPROTO/, 'it does not speak TLS'],
  [/ECONNRESET|SOCKET/i, 'it closes the connection'],
];

/** Takes what a connection failed with; returns why in a few words, and never quotes the error. */
export function whySilent(error: unknown): string {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const told = `${String(name)} ${String(code)}`;
  const [, words = 'it does not answer'] = REASONS.find(([known]) => known.test(told)) ?? [];
  return words;
}
