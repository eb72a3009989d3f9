// The app as a process, for tests of exit codes, signals and system limits, compiled as `npm start`
// runs it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';
import { compiled } from '../machine/compiled.ts';

export interface ServerProcess {
  child: ChildProcess;
  /** The output so far, of both streams. */
  output: string;
  /** The exit code, or the signal that ended it. */
  ended: Promise<number | string | null>;
}

export interface LaunchOptions {
  /** A shell command to run before it, such as `ulimit -f 1000;`. */
  shell?: string;
  /** The user to run it as. */
  uid?: number;
}

/** Starts it with these settings only. */
export function launchServer(
  settings: Record<string, string>,
  { shell = '', uid }: LaunchOptions = {},
): ServerProcess {
  const { PATH = '' } = process.env;
  const command = `${shell} exec "$0" "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, compiled('src/server.ts')], {
    env: { PATH, SESSION_SECRET: 'a-secret-of-the-tests-0123456789-abcdef', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid }),
  });
  // An interrupted test run must not leave the process behind.
  const killNow = () => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const ended = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => {
    process.off('exit', killNow);
    return code ?? signal ?? null;
  });
  const server: ServerProcess = { child, output: '', ended };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => (server.output += text.toString()));
  }
  return server;
}

/** Starts it; resolves when it listens and has discovered its issuer. */
export async function startServer(
  settings: Record<string, string>,
  options?: LaunchOptions,
): Promise<ServerProcess> {
  const server = launchServer(settings, options);
  const isReady = () =>
    server.output.includes('issuer_discovered') && server.output.includes('Open ');
  await vi.waitUntil(isReady, { timeout: 60_000 });
  return server;
}
