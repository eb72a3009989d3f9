// Real WebKit, the engine of Safari: WebKitGTK's MiniBrowser on a screen that nobody sees, over WebDriver:
// https://www.w3.org/TR/webdriver2/
import { once } from 'node:events';
import { vi } from 'vitest';
import { freePort } from '../machine/free-port.ts';
import { partPath } from '../machine/parts.ts';
import { start, type BrowserCookie, type DrivenBrowser } from './driven-browser.ts';

// The key under which WebDriver names an element.
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export async function launchWebKit(): Promise<DrivenBrowser> {
  const options = ['-displayfd', '1', '-nolisten', 'tcp'];
  const [screen, stopScreen] = start(partPath('Xvfb'), options, {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [display] = (await once(screen.stdout ?? screen, 'data')) as [Buffer];
  const port = await freePort();
  const [, stopDriver] = start(partPath('WebKit'), [`--port=${port}`], {
    env: { ...process.env, DISPLAY: `:${display.toString().trim()}` },
    stdio: 'ignore',
  });
  const base = `http://localhost:${port}/session`;
  const isListening = () => fetch(`http://localhost:${port}/status`).catch(() => undefined);
  await vi.waitUntil(isListening, { interval: 100 });
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
    async close() {
      await send('DELETE', session);
      await stopDriver();
      await stopScreen();
    },
  };
}

async function send<T>(method: string, url: string, body?: object): Promise<T> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
  const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${method} ${url}: ${value.error}: ${value.message}`);
  return value;
}
