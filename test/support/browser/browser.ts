// A browser without a screen: cookies, redirects one at a time, and the Fetch Metadata and Origin
// headers. It uses node:http, since fetch does not allow Sec-Fetch-Mode: navigate.
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { CookieJar, isSameSite } from './cookie-jar.ts';
import { formWithButton } from './forms.ts';

export interface Page {
  url: URL;
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** The target of a redirect, which is not followed automatically. */
  location: URL | undefined;
  /** The URL that started the navigation; undefined for a URL typed by the user. */
  initiator: URL | undefined;
}

export interface Visit {
  headers?: Record<string, string>;
  /** The page the request comes from; undefined: typed by the user. Default: the page shown. */
  from?: URL | string | undefined;
}

type Fields = Record<string, string>;

export class Browser {
  readonly jar = new CookieJar();
  /** The page shown: the last navigation that was not a redirect. */
  page: Page | undefined;
  readonly #connection: RequestOptions;

  /** `connection` has options for every request, such as `ca`, or `lookup` for test host names. */
  constructor(connection: RequestOptions = {}) {
    this.#connection = connection;
  }

  /** Navigates to the URL, as if typed by the user unless `from` is given; one request. */
  get(url: URL | string, visit: Visit = {}): Promise<Page> {
    return this.#navigate('GET', this.#resolve(url), { from: undefined, ...visit });
  }

  /** Navigates and follows redirects to the final page. */
  async open(url: URL | string, visit: Visit = {}): Promise<Page> {
    return this.follow(await this.get(url, visit));
  }

  /** Sends a form of the page shown; one request. */
  post(url: URL | string, fields: Fields = {}, visit: Visit = {}): Promise<Page> {
    const body = new URLSearchParams(fields).toString();
    return this.#navigate('POST', this.#resolve(url), { from: this.page?.url, ...visit }, body);
  }

  /** Presses the button with this text on the page shown: sends its form; one request. */
  press(button: string, fields: Fields = {}): Promise<Page> {
    const form = formWithButton(this.page?.body ?? '', button);
    const all = { ...form.fields, ...fields };
    const url = new URL(form.action, this.page?.url);
    if (form.method === 'post') return this.post(url, all);
    url.search = new URLSearchParams(all).toString();
    return this.get(url, { from: this.page?.url });
  }

  async follow(page: Page): Promise<Page> {
    let at = page;
    for (let hops = 0; at.location !== undefined; hops += 1) {
      if (hops === 20) throw new Error(`too many redirects at ${at.url.pathname}`);
      at = await this.#navigate('GET', at.location, { from: at.initiator });
    }
    return at;
  }

  /** A request by a script of the page shown (fetch, XHR); redirects are not followed. */
  fetch(url: URL | string, init: Visit & { method?: string; body?: string } = {}): Promise<Page> {
    const target = this.#resolve(url);
    const from = toUrl('from' in init ? init.from : (this.page?.url ?? target));
    const headers = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' };
    const all = { ...headers, ...init.headers };
    return this.#send(init.method ?? 'GET', target, from, all, init.body, false);
  }

  async #navigate(method: string, url: URL, visit: Visit, body?: string): Promise<Page> {
    const headers = {
      accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      'sec-fetch-user': '?1',
      ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...visit.headers,
    };
    const page = await this.#send(method, url, toUrl(visit.from), headers, body, true);
    if (page.location === undefined) this.page = page;
    return page;
  }

  async #send(
    method: string,
    url: URL,
    from: URL | undefined,
    headers: Record<string, string>,
    body: string | undefined,
    isNavigation: boolean,
  ): Promise<Page> {
    const cookie = this.jar.header(url, { from, method, isNavigation });
    const options = {
      ...this.#connection,
      method,
      // A connection per request: a kept one would fail once an instance restarts.
      agent: false,
      headers: {
        'sec-fetch-site': fetchSite(from, url),
        ...(method !== 'GET' && method !== 'HEAD' && from ? { origin: from.origin } : {}),
        ...(cookie === '' ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...headers,
      },
    };
    const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      open(url, options, resolve).on('error', reject).end(body);
    });
    this.jar.store(url, response.headers['set-cookie'] ?? []);
    const status = response.statusCode ?? 0;
    const to = status >= 300 && status < 400 ? response.headers.location : undefined;
    return {
      url,
      status,
      headers: response.headers,
      body: await text(response),
      location: to === undefined ? undefined : new URL(to, url),
      initiator: from,
    };
  }

  #resolve(url: URL | string): URL {
    return new URL(url, this.page?.url);
  }
}

function toUrl(url: URL | string | undefined): URL | undefined {
  return url === undefined ? undefined : new URL(url);
}

// Fetch Metadata, section 2.3 (https://www.w3.org/TR/fetch-metadata/).
function fetchSite(from: URL | undefined, url: URL): string {
  if (from === undefined) return 'none';
  if (from.origin === url.origin) return 'same-origin';
  return isSameSite(from, url) ? 'same-site' : 'cross-site';
}
