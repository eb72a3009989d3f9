// The README's first lines, verbatim, in a fresh copy of the project: the command, the URL to open,
// the link to press. Instead of `npm ci`, node_modules is linked.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeBlocks, readText } from '../support/reading/markdown.ts';

const [start = ''] = readText('README.md').split('\n## ');
const commands = (codeBlocks(start, '')[0] ?? '').trimEnd().split('\n');
let folder: string;
let npmStart: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'first-minute-'));
  const files = ['src', 'views', 'public', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
  await Promise.all(files.map((name) => cp(name, join(folder, name), { recursive: true })));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'));
});
afterAll(async () => {
  if (npmStart?.pid !== undefined && npmStart.exitCode === null) {
    // npm, its shell and the app. `exit` is for npm alone, while the app may still write to its
    // files; `close` comes when no process holds the output any more.
    const ended = once(npmStart, 'close');
    process.kill(-npmStart.pid, 'SIGTERM');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

test('the start command is the same in README.md and AGENTS.md', () => {
  expect(commands.at(-1)).toBe('npm ci && npm start');
  expect(readText('AGENTS.md')).toContain('| `npm ci && npm start` |');
});

test(
  'npm start builds and starts the app, and sign-in works as the README says',
  { timeout: 180_000 },
  async () => {
    const [, opened = '', link = '', who = ''] =
      /^Open (\S+), press "([^"]+)", choose ([^.]+)\./m.exec(start) ?? [];
    const port = String(await freePort());
    const { PATH, HOME } = process.env;
    const [command = '', ...args] = commands.at(-1)?.split(' && ')[1]?.split(' ') ?? [];
    let output = '';
    npmStart = spawn(command, args, {
      cwd: folder,
      env: { PATH, HOME, PORT: port },
      detached: true,
    });
    for (const stream of [npmStart.stdout, npmStart.stderr]) {
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    await vi.waitUntil(() => output.includes('Open ') || npmStart?.exitCode !== null, 120_000);
    const [, url = ''] = /^Open (\S+)$/m.exec(output) ?? [];
    expect(url, output).toBe(opened.replace('3000', port));
    await vi.waitUntil(
      async () => (await new Browser().fetch(`${url}/readyz`)).status === 200,
      60_000,
    );

    const names = who.split(/, | or /);
    expect(names.length).toBe(3);
    const homes = await Promise.all(names.map((name) => signInAs(name, url, link)));
    names.forEach((name, index) => expect(homes[index]).toContain(`Hello, <bdi>${name}`));
  },
);

/** Follows the link with this text on the home page, chooses this person, returns the last page. */
async function signInAs(name: string, url: string, link: string): Promise<string> {
  const browser = new Browser();
  const { body } = await browser.open(url);
  const [, href = ''] = new RegExp(`href="([^"]+)"[^>]*>\\s*${link}`).exec(body) ?? [];
  await browser.open(new URL(href, url));
  let page = await browser.follow(await browser.press(name));
  // A user in several organizations chooses one.
  if (page.url.origin !== url) page = await browser.follow(await browser.press('Blue Kiln'));
  return page.body;
}
