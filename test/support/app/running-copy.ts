// A copied app as a process, with the settings of a local AuthKit's application in `.env`.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { LocalAuthKit } from '../../../src/development/local-authkit/start.ts';
import { settingsFor } from './app.ts';
import { Browser } from '../browser/browser.ts';

const ENV_FILE = '--env-file=.env';
/** The start command of the README, without the file. */
export const START = `node ${ENV_FILE}`;

export interface RunningCopy {
  process: ChildProcess;
  /** Its stderr so far. */
  stderr(): string;
  stop(): Promise<void>;
}

/** Starts `file` in the folder `app`, to listen at `url`; does not wait until it is ready. */
export function spawnCopy(
  app: string,
  file: string,
  url: string,
  authKit: LocalAuthKit,
  args: readonly string[] = [],
): RunningCopy {
  const settings = {
    ...settingsFor(authKit, 'firstParty'),
    BASE_URL: url,
    PORT: new URL(url).port,
    SESSION_SECRET: 'the-secret-of-a-copied-app-0123456789',
    WORKOS_WEBHOOK_SECRET: authKit.webhookSecret,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(app, '.env'), lines.join(''));
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [ENV_FILE, file, ...args], {
    cwd: app,
    env: { PATH, HOME },
  });
  const exited = once(child, 'exit');
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return {
    process: child,
    stderr: () => stderr,
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Like spawnCopy, but resolves once it is ready: until discovery, GET /login gives 503. */
export async function startCopy(...copied: Parameters<typeof spawnCopy>): Promise<RunningCopy> {
  const [, , url] = copied;
  const copy = spawnCopy(...copied);
  const browser = new Browser();
  const isReady = async () => {
    if (copy.process.exitCode !== null) throw new Error('the copy has ended');
    const login = await browser.get(`${url}/login`).catch(() => undefined);
    return login?.status === 302;
  };
  await vi.waitUntil(isReady, { interval: 100 }).catch(async (cause: unknown) => {
    await copy.stop();
    throw new Error(`the copy does not sign in: ${copy.stderr()}`, { cause });
  });
  return copy;
}
