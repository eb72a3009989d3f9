// Records the messages of a sign-in in the notation of the README's diagrams: the browser's
// requests one by one, and the app's own requests to AuthKit.
import { vi } from 'vitest';
import type { TestApp } from '../app/app.ts';
import { Browser, type Page } from '../browser/browser.ts';

export interface Trace {
  browser: Browser;
  /** One line per message: `B->>A: GET /profile`. */
  lines: string[];
  /** Records a browser request and every redirect after it, without AuthKit's screens. */
  record(method: 'GET' | 'POST', request: () => Promise<Page>): Promise<void>;
  stop(): void;
}

export function startTrace(app: TestApp): Trace {
  const browser = new Browser();
  const lines: string[] = [];
  const call = globalThis.fetch;
  const calls = vi.spyOn(globalThis, 'fetch').mockImplementation(recording(app, call, lines));

  /** `at`: the number of lines before the request; the app's requests to AuthKit come after it. */
  function recordPage({ url, status, location, headers }: Page, method: string, at: number): void {
    const question = `${method} ${url.pathname}${list([...url.searchParams.keys()])}`;
    if (url.origin === app.url) {
      lines.splice(at, 0, `B->>A: ${question}`);
      lines.push(`A-->>B: ${status}${to(location)}${cookies(headers['set-cookie'] ?? [])}`);
      return;
    }
    if (url.pathname === '/oauth2/authorize' && method === 'GET') lines.push(`B->>K: ${question}`);
    // The diagrams show neither AuthKit's statuses nor its screens.
    if (location?.origin === app.url) lines.push(`K-->>B: redirect${to(location)}`);
  }

  return {
    browser,
    lines,
    async record(method, request) {
      let at = lines.length;
      let page = await request();
      recordPage(page, method, at);
      while (page.location) {
        at = lines.length;
        page = await browser.get(page.location, { from: page.initiator });
        recordPage(page, 'GET', at);
      }
    },
    stop: () => calls.mockRestore(),
  };
}

function recording(app: TestApp, call: typeof fetch, lines: string[]): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const isCall = url.origin === app.authKit.issuer;
    // The app does not wait for a revocation, so the place of its response is not fixed.
    const isAwaited = url.pathname !== '/oauth2/revoke';
    if (isCall) {
      const form = init?.body instanceof URLSearchParams ? [...init.body.keys()] : [];
      const arrow = isAwaited ? '->>' : '-)';
      lines.push(`A${arrow}K: ${init?.method ?? 'GET'} ${url.pathname}${list(form)}`);
    }
    const response = await call(input, init);
    if (isCall && isAwaited) {
      const body = (await response.clone().json()) as object;
      lines.push(`K-->>A: ${response.status}${list(Object.keys(body))}`);
    }
    return response;
  };
}

const list = (names: string[]) =>
  names.length === 0 ? '' : ` (${[...names].toSorted().join(', ')})`;

const to = (location: URL | undefined) => (location ? ` to ${location.pathname}` : '');

const isCleared = (cookie: string) => /expires=Thu, 01 Jan 1970/i.test(cookie);

/** The sign-in cookies that a response sets or clears, by the fixed part of their names. */
function cookies(lines: string[]): string {
  const clears = lines.filter(isCleared);
  const sets = lines.filter((line) => !isCleared(line));
  return cookieNames('sets', sets) + cookieNames('clears', clears);
}

function cookieNames(verb: string, lines: string[]): string {
  const names = ['session', 'sign-in'].filter((name) =>
    lines.some((line) => line.startsWith(name)),
  );
  return names.length === 0 ? '' : `, ${verb} cookie ${names.join(' and ')}`;
}
