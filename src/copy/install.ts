// Runs the app's own package manager, and puts its lock file back if that fails.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LOCKS, resolveCommand } from 'package-manager-detector';
import type { App } from './app.ts';
import { CopyError } from './errors.ts';

/** The last lines of the package manager's output, for the message of a failure. */
const SHOWN_LINES = 15;
/** Longer than npm needs to undo its work. */
const KILL_AFTER_MS = 10_000;

/** The command that installs the packages of the app, such as `npm install`. */
export function installCommand({ packageManager }: App): string[] {
  const quiet = packageManager === 'npm' ? ['--no-audit', '--no-fund'] : [];
  const { command, args } = resolveCommand(packageManager, 'install', quiet) ?? {
    command: 'npm',
    args: ['install'],
  };
  return [command, ...args];
}

/**
 * Installs the packages of package.json.
 * @param onLine receives each line of output, to show progress
 * @throws CopyError `install_failed`; lock file and node_modules are then as before, but for
 *   packages that the package manager has added to an existing node_modules
 */
export async function install(
  app: App,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const restore = await rememberLocks(app.root);
  const [command = '', ...args] = installCommand(app);
  try {
    await run(command, args, app.root, onLine, signal);
  } catch (error) {
    await restore();
    throw error;
  }
}

async function run(
  command: string,
  args: string[],
  cwd: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const lines: string[] = [];
  const isWindows = process.platform === 'win32';
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: isWindows,
    // In a process group of its own: npm undoes its work on one signal and gives up on a second, and
    // Ctrl-C on a terminal would be the first one.
    detached: !isWindows,
  });
  signal.addEventListener('abort', () => {
    child.kill();
    // npm waits for minutes for a registry that does not respond.
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split(/\r?\n/).filter((one) => one.trim() !== '')) {
        lines.push(line);
        onLine(line);
      }
    });
  }
  let failure: Error | undefined;
  child.on('error', (error) => (failure = error));
  // Interrupted or not: what still runs would write into the app after the undoing.
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const reason = failure?.message ?? (code === 0 ? undefined : `it ended with ${code}`);
  if (reason === undefined) return;
  const output = lines.slice(-SHOWN_LINES).join('\n');
  throw new CopyError(
    'install_failed',
    `${[command, ...args].join(' ')} failed (${reason}). The app is as it was before.\n${output}`,
  );
}

/** Returns a function that puts the lock file back, or removes what was not there. */
async function rememberLocks(root: string): Promise<() => Promise<void>> {
  const locks = new Map<string, Buffer | undefined>();
  for (let folder = root; ; folder = dirname(folder)) {
    for (const name of Object.keys(LOCKS)) {
      const file = join(folder, name);
      if (existsSync(file)) locks.set(file, await readFile(file));
      else if (folder === root) locks.set(file, undefined);
    }
    if (folder === dirname(folder)) break;
  }
  const modules = join(root, 'node_modules');
  const hadModules = existsSync(modules);
  return async () => {
    for (const [file, content] of locks) {
      await (content === undefined ? rm(file, { force: true }) : writeFile(file, content));
    }
    if (!hadModules) await rm(modules, { recursive: true, force: true });
  };
}
