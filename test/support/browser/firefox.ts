// Real headless Firefox, over the WebDriver BiDi that it speaks itself: https://w3c.github.io/webdriver-bidi/
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { WebSocket } from 'ws';
import { partPath } from '../machine/parts.ts';
import { start, type BrowserCookie, type DrivenBrowser } from './driven-browser.ts';

interface Message {
  id?: number;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: string;
  message?: string;
}

interface Connection {
  /** Sends a command; resolves to its result. */
  send: <T>(method: string, params: object) => Promise<T>;
  /** The error lines of the console so far. */
  errors: string[];
  close(): void;
}

export async function launchFirefox(): Promise<DrivenBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'firefox-'));
  const options = ['--headless', '--remote-debugging-port=0', '--profile', profile];
  const [firefox, stop] = start(partPath('Firefox'), options, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const connection = await connect(`${await addressIn(firefox.stderr)}/session`);
  const send: Connection['send'] = (...command) => connection.send(...command);
  await send('session.new', { capabilities: {} });
  await send('session.subscribe', { events: ['log.entryAdded'] });
  const { contexts } = await send<{ contexts: { context: string }[] }>(
    'browsingContext.getTree',
    {},
  );
  const context = contexts[0]?.context ?? '';
  // The whole page: a pointer cannot be moved to what is out of view.
  await send('browsingContext.setViewport', { context, viewport: { width: 1280, height: 2_000 } });

  return {
    open: async (url) =>
      void (await send('browsingContext.navigate', { context, url, wait: 'complete' })),
    click: (xpath) => click(connection, context, xpath),
    async evaluate(expression) {
      const command = { expression, target: { context }, awaitPromise: false };
      const { result } = await send<{ result: { value: string } }>('script.evaluate', command);
      return result.value;
    },
    async cookies() {
      const partition = { type: 'context', context };
      const { cookies } = await send<{ cookies: BrowserCookie[] }>('storage.getCookies', {
        partition,
      });
      return cookies;
    },
    errors: connection.errors,
    async close() {
      connection.close();
      await stop();
      await rm(profile, { recursive: true });
    },
  };
}

async function addressIn(stderr: Readable | null): Promise<string> {
  if (stderr === null) throw new Error('the output of Firefox is not piped');
  for await (const line of createInterface({ input: stderr })) {
    const [, address] = /^WebDriver BiDi listening on (\S+)$/.exec(line) ?? [];
    if (address === undefined) continue;
    // A full pipe would stop Firefox.
    stderr.resume();
    return address;
  }
  throw new Error('Firefox ended before it listened');
}

async function connect(url: string): Promise<Connection> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const waiting = new Map<number, (message: Message) => void>();
  const errors: string[] = [];
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    const { level, text } = (message.params ?? {}) as { level?: string; text?: string };
    if (message.method === 'log.entryAdded' && level === 'error') errors.push(text ?? '');
  });
  let commands = 0;
  return {
    async send<T>(method: string, params: object) {
      const id = (commands += 1);
      const response = new Promise<Message>((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ id, method, params }));
      const { result, error, message } = await response;
      if (error !== undefined) throw new Error(`${method}: ${error}: ${message}`);
      return result as T;
    },
    errors,
    close: () => socket.close(),
  };
}

async function click(connection: Connection, context: string, xpath: string): Promise<void> {
  const locator = { type: 'xpath', value: xpath };
  const { nodes } = await connection.send<{ nodes: object[] }>('browsingContext.locateNodes', {
    context,
    locator,
  });
  if (nodes[0] === undefined) throw new Error(`no element at ${xpath}`);
  const actions = [
    { type: 'pointerMove', x: 0, y: 0, origin: { type: 'element', element: nodes[0] } },
    { type: 'pointerDown', button: 0 },
    { type: 'pointerUp', button: 0 },
  ];
  await connection.send('input.performActions', {
    context,
    actions: [{ type: 'pointer', id: 'mouse', actions }],
  });
}
