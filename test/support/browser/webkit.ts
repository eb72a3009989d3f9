// Real WebKit, the engine of Safari: WebKitGTK's MiniBrowser on a screen that nobody sees, over WebDriver:
// https://www.w3.org/TR/webdriver2/
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';
import { freePort } from '../machine/free-port.ts';
import { partPath } from '../machine/parts.ts';
import type { BrowserCookie, DrivenBrowser } from './driven-browser.ts';

// The key under which WebDriver names an element.
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

// Reports of a policy that the page broke while loading come as well.
const VIOLATIONS = `const done = arguments[0];
const observer = new ReportingObserver((reports) => done(reports.map(({ body }) =>
  body.effectiveDirective + ' ' + body.blockedURL)), { types: ['csp-violation'], buffered: true });
observer.observe();
setTimeout(() => done([]), 100);`;

export async function launchWebKit(): Promise<DrivenBrowser> {
  const screen = spawn(partPath('Xvfb'), ['-displayfd', '1', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [display] = (await once(screen.stdout, 'data')) as [Buffer];
  const port = await freePort();
  const driver = spawn(partPath('WebKit'), [`--port=${port}`], {
    env: { ...process.env, DISPLAY: `:${display.toString().trim()}` },
    stdio: 'ignore',
  });
  const base = `http://localhost:${port}/session`;
  const isListening = () => fetch(`http://localhost:${port}/status`).catch(() => undefined);
  await vi.waitUntil(isListening, { timeout: 20_000, interval: 100 });
  const capabilities = { alwaysMatch: { browserName: 'MiniBrowser' } };
  const { sessionId } = await send<{ sessionId: string }>('POST', base, { capabilities });
  const session = `${base}/${sessionId}`;
  const post = <T>(path: string, body: object) => send<T>('POST', `${session}/${path}`, body);

  return {
    open: (url) => post('url', { url }),
    async click(xpath) {
      const found = await post<Record<string, string>>('element', { using: 'xpath', value: xpath });
      await post(`element/${found[ELEMENT]}/click`, {});
    },
    evaluate: (expression) => post('execute/sync', { script: `return ${expression}`, args: [] }),
    cookies: () => send<BrowserCookie[]>('GET', `${session}/cookie`),
    complaints: () => post('execute/async', { script: VIOLATIONS, args: [] }),
    async close() {
      await send('DELETE', session);
      await end(driver);
      await end(screen);
    },
  };
}

async function send<T>(method: string, url: string, body?: object): Promise<T> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
  const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${method} ${url}: ${value.error}: ${value.message}`);
  return value;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill();
  await exited;
}
