// Opens the system's browser. The terminal shows the URL too, so a failure is reported and no more.

import { spawn } from 'node:child_process';

const openers: Partial<Record<NodeJS.Platform, string[]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** Takes the value of BROWSER: a command, perhaps with arguments, where %s stands for the URL. */
export function openBrowser(
  url: URL,
  browser: string | undefined,
  say: (line: string) => void,
): void {
  const [command = '', ...args] = commandLine(url, browser);
  const failed = (reason: string) => say(`The browser could not be opened: ${reason}.`);
  try {
    // Not through a shell: an & in the URL would start a command.
    const child = spawn(command, args, { stdio: 'ignore', detached: true });
    child.once('error', ({ message }) => failed(message));
    child.once('exit', (code, signal) => {
      if (code !== 0) failed(`${command} ended with ${signal ?? `exit code ${code}`}`);
    });
    child.unref();
  } catch (error) {
    failed(error instanceof Error ? error.message : command);
  }
}

function commandLine(url: URL, browser = ''): string[] {
  const words = browser.match(/"[^"]*"|\S+/g)?.map((word) => word.replaceAll('"', ''));
  const command = words ?? openers[process.platform] ?? ['xdg-open'];
  const withUrl = command.map((word) => word.replaceAll('%s', () => url.href));
  return command.some((word) => word.includes('%s')) ? withUrl : [...command, url.href];
}
