// A browser other than Chromium, by what its protocol and the other one can both do. Elements are found by
// XPath; the protocols click them as a user does, with a pointer.
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { vi } from 'vitest';

export interface BrowserCookie {
  name: string;
  httpOnly: boolean;
  /** `Lax` or `lax`, as the protocol writes it. */
  sameSite: string;
}

export interface DrivenBrowser {
  open(url: string): Promise<void>;
  click(xpath: string): Promise<void>;
  /** The value of this JavaScript expression in the page. */
  evaluate(expression: string): Promise<string>;
  /** The cookies that this page's site has. */
  cookies(): Promise<BrowserCookie[]>;
  /** The errors in its console so far, blocked content included; undefined: its protocol has none. */
  errors?: string[];
  close(): Promise<void>;
}

/** Starts a program; the second function ends it. An interrupted test run leaves none behind. */
export function start(
  program: string,
  args: string[],
  options: SpawnOptions,
): [child: ChildProcess, stop: () => Promise<void>] {
  const child = spawn(program, args, options);
  const exited = once(child, 'exit');
  const killNow = () => void child.kill('SIGKILL');
  process.once('exit', killNow);
  const stop = async () => {
    child.kill();
    await exited;
    process.off('exit', killNow);
  };
  return [child, stop];
}

/** Resolves once the page shows this as its heading. */
export async function untilHeading(browser: DrivenBrowser, heading: string): Promise<void> {
  const shown = () =>
    browser
      .evaluate('document.readyState === "complete" ? document.querySelector("h1").innerText : ""')
      // Between two pages there is no document to ask.
      .catch(() => '');
  await vi.waitUntil(async () => (await shown()) === heading, { interval: 100 });
}

export const button = (name: string) => `//button[contains(., '${name}')]`;
export const link = (name: string) => `//main//a[normalize-space() = '${name}']`;
