// The app as it is deployed: several processes over one store, behind a load balancer without
// sticky sessions. Tests move the clocks of the processes instead of waiting.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startTestAuthKit, type LocalAuthKit } from '../authkit/local-authkit.ts';
import type { startLocalAuthKit } from '../../../src/development/local-authkit/start.ts';
import { freePort, settingsFor, type Kind, type LogLine } from './app.ts';
import { startBalancer, type Balancer } from '../deploy/balancer.ts';
import { Browser, type Page, type Visit } from '../browser/browser.ts';
import { clockOffset, passTime, setClock, setClockOf } from '../clock/clock.ts';
import { compiled } from '../machine/compiled.ts';

export interface Instance {
  port: number;
  child: ChildProcess;
  log: LogLine[];
  /** Resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface FleetOptions {
  kind?: Kind;
  count?: number;
  env?: Record<string, string>;
  authKit?: Partial<Parameters<typeof startLocalAuthKit>[0]>;
  /** The clock error of each instance, in milliseconds. */
  skew?: number[];
}

export interface Fleet {
  url: string;
  authKit: LocalAuthKit;
  balancer: Balancer;
  instances: Instance[];
  folder: string;
  /** The log lines of all instances so far, ended ones included. */
  log: LogLine[];
  /** All output lines of the instances. */
  output: string[];
  /** Advances the clocks of the instances and of AuthKit. */
  pass(ms: number): Promise<void>;
  /** Ends one instance and starts another on its port, with changed settings. */
  replace(index: number, env?: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

/** Starts instances, a local AuthKit in this process, and a balancer whose origin is BASE_URL. */
export async function startFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { kind = 'firstParty', count = 2, skew = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), 'authkit-fleet-'));
  setClock(0);
  const instances: Instance[] = [];
  const balancer = await startBalancer(() => instances.map(({ port }) => port));
  const authKit = await startTestAuthKit({
    redirectUris: [`${balancer.url}/callback`],
    ...options.authKit,
  });
  const env: Record<string, string> = {
    ...settingsFor(authKit, kind),
    BASE_URL: balancer.url,
    SESSION_SECRET: 'a-secret-of-the-tests-0123456789-abcdef',
    SESSION_DB: join(folder, 'sessions.db'),
    LOG_LEVEL: 'trace',
    RATE_LIMIT: '0',
    SHUTDOWN_GRACE_SECONDS: '0',
    ...options.env,
  };
  const log: LogLine[] = [];
  const output: string[] = [];
  const start = async (index: number) => {
    const clock = clockOffset() + (skew[index] ?? 0);
    const port = instances[index]?.port ?? (await freePort());
    const settings = { ...env, PORT: String(port), CLOCK_OFFSET_MS: String(clock) };
    return startInstance(port, settings, log, output);
  };
  instances.push(...(await Promise.all(Array.from({ length: count }, (_, index) => start(index)))));

  return {
    url: balancer.url,
    authKit,
    balancer,
    instances,
    folder,
    log,
    output,
    async pass(ms) {
      passTime(ms);
      await Promise.all(
        instances.map(async ({ child }, index) => {
          if (child.connected) await setClockOf(child, clockOffset() + (skew[index] ?? 0));
        }),
      );
    },
    async replace(index, changed = {}) {
      Object.assign(env, changed);
      await instances[index]?.stop();
      instances[index] = await start(index);
    },
    async close() {
      await Promise.all(instances.map((instance) => instance.stop('SIGKILL')));
      await authKit.close();
      await balancer.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startInstance(
  port: number,
  settings: Record<string, string>,
  log: LogLine[],
  output: string[],
): Promise<Instance> {
  const { PATH = '', NODE_ENV = 'test' } = process.env;
  const preload = ['--import', compiled('test/support/clock/clock.ts')];
  const child = spawn(process.execPath, [...preload, compiled('src/server.ts')], {
    env: { PATH, NODE_ENV, ...settings },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  // An interrupted test run must not leave the process behind.
  const killNow = () => void child.kill('SIGKILL');
  process.once('exit', killNow);
  child.once('exit', () => process.off('exit', killNow));
  const own: LogLine[] = [];
  const isListening = new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the app ended with ${code}: ${output.at(-1)}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream ?? process.stdin }).on('line', (line) => {
        output.push(line);
        if (line.startsWith('Open ')) resolve();
        if (!line.startsWith('{')) return;
        const entry = JSON.parse(line) as LogLine;
        own.push(entry);
        log.push(entry);
      });
    }
  });
  await isListening;
  return {
    port,
    child,
    log: own,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    },
  };
}

/** Requests a page from one instance, as the balancer would. */
export function visit(browser: Browser, fleet: Fleet, index: number, path: string, more?: Visit) {
  const url = `http://localhost:${fleet.instances[index]?.port}${path}`;
  const host = new URL(fleet.url).host;
  return browser.get(url, { ...more, headers: { host, ...more?.headers } });
}

/** Signs this person in at a fleet or an app, over HTTP. */
export async function signInAt(url: string, person = 'Bruno'): Promise<Browser> {
  const browser = new Browser();
  await browser.open(`${url}/profile`);
  const page = await browser.follow(await browser.press(person));
  if (page.status !== 200)
    throw new Error(`signing in ended with ${page.status} at ${page.url.pathname}`);
  return browser;
}

/** How many of these pages have each status. */
export function countByStatus(pages: Page[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of pages) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Resolves once the condition holds, for events in another process. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 10_000) {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`condition not met after ${ms} ms: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const times = <T>(count: number, run: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => run(index));
